// One or two videos on one clock: the longest usable one leads, the other follows it.
//
// Times are seconds from a video's first picture, which not every file has at its time 0. Small differences are made up
// by playing a little faster or slower, which nobody sees; large ones by a jump.

const JUMP = 0.08; // seconds apart from which the follower jumps
const STILL = 0.008; // seconds apart that are left alone: less than a screen's refresh
const PULL = 2.5; // change of speed for each second apart: 40 ms apart play 10 % faster
const MOST = 0.25; // largest such change
const PATIENCE = 300; // milliseconds between two jumps: a jump takes time itself
const ENOUGH = 3; // readyState from which a video can go on (HAVE_FUTURE_DATA)

class Together {
  // changed(): called when the state may have changed.
  constructor(changed) {
    this.tracks = [];
    this.changed = changed;
    this.wanted = false; // whether it should play, though it may have to wait
    this.running = false;
    this.speed = 1;
    this.loop = false;
    this.target = null; // of a seek that waits for the one before it
  }

  // A video with its frames and their rate; both may be corrected by what the file says.
  add(video, fps, frames) {
    const track = { video, fps, frames, first: 0, broken: false, jumped: 0, delay: 0.05, asked: 0 };
    this.tracks.push(track);
    video.addEventListener("loadeddata", () => {
      track.first = video.currentTime; // nothing has been sought before
      this.changed();
    });
    video.addEventListener("canplay", () => this.arrived(track));
    video.addEventListener("error", () => this.fail(track));
    video.addEventListener("seeked", () => this.arrived(track));
    return track;
  }

  fail(track) {
    track.broken = true;
    this.running = false;
    this.go();
  }

  get usable() {
    return this.tracks.filter((track) => !track.broken);
  }

  get leader() {
    return this.usable.reduce((best, track) => (best && length(best) >= length(track) ? best : track), null);
  }

  get time() {
    return this.leader ? now(this.leader) : 0;
  }

  get end() {
    return this.leader ? length(this.leader) : 0;
  }

  get ready() {
    return this.usable.length > 0 && this.usable.every(enough);
  }

  get state() {
    if (!this.usable.length) return "broken";
    if (this.running) return "playing";
    if (this.wanted) return "waiting";
    if (!this.ready && !this.usable.some((track) => track.video.seeking)) return "loading";
    return over(this.leader) ? "ended" : this.time > 0 ? "paused" : "ready";
  }

  play() {
    this.wanted = true;
    if (this.leader && over(this.leader)) this.place(0);
    this.go();
  }

  pause() {
    this.wanted = this.running = false;
    for (const { video } of this.tracks) video.pause();
    if (this.leader) this.place(this.time);
    this.changed();
  }

  // Show this time (seconds from the first frame) in all videos, and go on where they played.
  seek(time) {
    this.running = false;
    for (const { video } of this.tracks) video.pause();
    this.place(Math.max(0, Math.min(time, this.end)));
    this.changed();
  }

  step(frames) {
    if (!this.leader) return;
    this.wanted = false;
    this.seek(middle(this.leader, frame(this.leader, this.time) + frames));
  }

  faster(speed) {
    this.speed = speed;
    for (const { video } of this.tracks) video.playbackRate = speed;
  }

  // Put every video there that is not there; a video that is still on its way gets the last place afterwards.
  place(time) {
    if (this.usable.some((track) => track.video.seeking || !track.video.readyState)) {
      this.target = time;
      return;
    }
    this.target = null;
    for (const track of this.usable) {
      if (Math.abs(now(track) - Math.min(time, length(track))) > 0.001) jump(track, time);
    }
  }

  arrived(track) {
    if (track.asked) track.delay = 0.7 * track.delay + 0.3 * ((performance.now() - track.asked) / 1000);
    track.asked = 0;
    if (this.target !== null) this.place(this.target);
    this.go();
  }

  // Start all at once, as soon as all can.
  go() {
    const busy = this.target !== null || this.usable.some((track) => track.video.seeking);
    if (this.wanted && !this.running && this.ready && !busy) {
      this.running = true;
      for (const track of this.usable) {
        track.video.playbackRate = this.speed;
        if (!over(track)) track.video.play().catch((error) => this.refused(track, error));
      }
    }
    this.changed();
  }

  refused(track, error) {
    if (error.name === "AbortError") return; // paused before it began
    if (error.name === "NotSupportedError") this.fail(track);
    else this.pause();
  }

  // Once for each picture of the screen: keep the follower with the leader, and see to the end.
  tick(moment) {
    if (!this.running) return;
    if (over(this.leader)) return this.finish();
    const late = this.usable.some((track) => !track.video.seeking && !enough(track));
    if (late) {
      this.running = false; // all wait for the one whose data is still to come
      for (const { video } of this.tracks) video.pause();
      return this.place(this.time);
    }
    for (const track of this.usable) if (track !== this.leader) this.follow(track, moment);
  }

  follow(track, moment) {
    const { video } = track;
    if (video.seeking || over(track) || this.time >= length(track)) return;
    if (video.paused) video.play().catch((error) => this.refused(track, error));
    const behind = this.time - now(track);
    if (Math.abs(behind) > JUMP && moment - track.jumped > PATIENCE) {
      track.jumped = track.asked = moment;
      jump(track, this.time + Math.min(track.delay, 0.3) * this.speed);
      return;
    }
    const pull = Math.abs(behind) < STILL ? 0 : Math.max(-MOST, Math.min(MOST, PULL * behind));
    const rate = this.speed * (1 + pull);
    if (Math.abs(video.playbackRate - rate) > 0.01 * this.speed) video.playbackRate = rate;
  }

  finish() {
    this.running = false;
    for (const { video } of this.tracks) video.pause();
    if (this.loop) this.place(0);
    else this.wanted = false;
    this.go();
  }
}

function now(track) {
  return track.video.currentTime - track.first;
}

function jump(track, time) {
  track.video.currentTime = track.first + Math.min(time, length(track));
}

// By its frames; what the file says of its length may leave out the last one's.
function length(track) {
  const told = track.video.duration - track.first;
  return track.frames / track.fps || (Number.isFinite(told) ? told : 0);
}

// Whether it can play on; behind its last picture there is nothing to wait for.
function enough(track) {
  const { readyState } = track.video;
  return readyState >= ENOUGH || (readyState === ENOUGH - 1 && now(track) >= length(track) - 1.5 / track.fps);
}

function over(track) {
  return track.video.ended || (track.video.readyState > 0 && now(track) >= length(track) - 0.001);
}

// The frame that is shown at a time, from 0; and a time at which it is shown for certain: its middle.
function frame(track, time) {
  return Math.max(0, Math.min(frames(track) - 1, Math.floor(time * track.fps + 0.001)));
}

function middle(track, number) {
  return (Math.max(0, Math.min(frames(track) - 1, number)) + 0.5) / track.fps;
}

function frames(track) {
  return track.frames || Math.max(1, Math.round(length(track) * track.fps));
}

// The controls: buttons, keys and seek bar over `Together`, and the curve that follows it.

const SPEEDS = [[0.25, "¼"], [0.5, "½"], [1, "1"], [2, "2"]];
const SIDES = ["left", "right"];
const PLAY = "M4 2 L14 8 L4 14 Z", PAUSE = "M3 2 H6.5 V14 H3 Z M9.5 2 H13 V14 H9.5 Z";
const LOOP = "M13 8 A5 5 0 1 1 10.5 3.7 M10.5 0.5 V4 H7";

class Player {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`.${name}`);
    this.together = new Together(() => this.shown());
    this.curve = new Curve(this.find("curve"), (time) => this.together.seek(time));
    this.wire();
    const again = (moment) => {
      this.tick(moment);
      this.request = requestAnimationFrame(again);
    };
    this.request = requestAnimationFrame(again);
  }

  // data: see the Python side. Videos are made anew only where their addresses change.
  update(data) {
    this.data = data;
    const videos = JSON.stringify(data.sides.map(({ url, fps, frames, message }) => [url, fps, frames, message]));
    if (videos !== this.videos) this.load();
    this.videos = videos;
    this.say();
    this.chart();
    this.shown();
  }

  load() {
    for (const { video } of this.together.tracks) silence(video);
    Object.assign(this.together, { tracks: [], wanted: false, running: false, target: null });
    this.places = this.data.sides.map((side, number) => this.side(side, number));
    this.find("stage").replaceChildren(...this.places.map(({ box }) => box));
    this.root.dataset.sides = this.places.length;
  }

  side(side, number) {
    const box = document.createElement("figure");
    const name = document.createElement("figcaption");
    const screen = text("div", "", "screen");
    const said = text("p", side.message || "", "message");
    said.hidden = !side.message;
    box.dataset.side = SIDES[number];
    box.append(name, screen);
    screen.append(said);
    if (!side.url) return { box, name, said };
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto", disablePictureInPicture: true });
    video.addEventListener("error", () => {
      said.textContent = this.data.words.unplayable;
      said.hidden = false;
      video.hidden = true;
    });
    const track = this.together.add(video, side.fps, side.frames);
    video.addEventListener("click", () => this.toggle());
    screen.prepend(video);
    video.src = side.url;
    return { box, name, said, video, track };
  }

  // Every word, again in another language where that changed.
  say() {
    const { words, sides, label } = this.data;
    this.root.setAttribute("aria-label", label);
    sides.forEach((side, number) => {
      const { name, video } = this.places[number];
      name.replaceChildren(...(side.values ? [swatch(number)] : []), side.label);
      if (video) video.setAttribute("aria-label", side.label);
    });
    for (const name of ["back", "forward", "seek", "loop"]) title(this.find(name), words[name]);
    this.find("speeds").setAttribute("aria-label", words.speed);
    for (const button of this.find("speeds").children) {
      title(button, fill(words.times, { speed: button.textContent.slice(1) }));
    }
    this.find("hint").textContent = words.hint;
  }

  chart() {
    const { curve, sides } = this.data;
    const box = this.find("curve"), readout = this.find("readout");
    box.hidden = readout.hidden = !curve;
    if (!curve) return;
    const lines = sides.map((side) => ({ ...side, values: side.values || [] }));
    this.curve.show({ ...curve, sides: lines }, this.end());
    this.readings = sides.map((side, number) => {
      const name = document.createElement("dt");
      name.append(swatch(number), side.label);
      const box = document.createElement("div"), value = text("dd", "");
      box.append(name, value);
      return { box, value };
    });
    readout.replaceChildren(...this.readings.map(({ box }) => box));
  }

  // Of the curve's time: that of the longer video, or of its values where no video can be had.
  end() {
    const told = this.data.sides.map((side) => (side.frames && side.fps ? side.frames / side.fps : 0));
    return Math.max(this.together.end, ...told);
  }

  wire() {
    const { together, root } = this;
    const press = (name, act) => this.find(name).addEventListener("click", act);
    press("play", () => this.toggle());
    press("back", () => together.step(-1));
    press("forward", () => together.step(1));
    press("loop", () => {
      together.loop = !together.loop;
      this.shown();
    });
    this.find("seek").addEventListener("input", (event) => {
      if (together.leader) together.seek(middle(together.leader, Number(event.target.value)));
    });
    this.find("speeds").replaceChildren(...SPEEDS.map(([speed, words]) => {
      const button = text("button", `×${words}`);
      button.type = "button";
      button.dataset.speed = speed;
      button.addEventListener("click", () => {
        together.faster(speed);
        this.shown();
      });
      return button;
    }));
    this.find("loop").replaceChildren(picture(LOOP));
    root.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { together } = this;
    const acts = {
      " ": () => this.toggle(),
      ArrowLeft: () => together.step(-1),
      ArrowRight: () => together.step(1),
      Home: () => together.seek(0),
      End: () => together.leader && together.seek(middle(together.leader, Infinity)),
    };
    const own = event.key === " " && event.target.tagName === "BUTTON"; // it presses that button
    if (own || !acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  toggle() {
    if (this.together.wanted) this.together.pause();
    else this.together.play();
  }

  // What changes seldom: state, labels, whether there is anything to control.
  shown() {
    if (!this.data) return;
    const { together } = this, { words } = this.data, { state } = together;
    const { leader } = together;
    this.root.dataset.state = state;
    const play = this.find("play");
    play.replaceChildren(picture(together.wanted ? PAUSE : PLAY));
    title(play, together.wanted ? words.pause : words.play);
    this.find("loop").setAttribute("aria-pressed", together.loop);
    for (const button of this.find("speeds").children) {
      button.setAttribute("aria-pressed", Number(button.dataset.speed) === together.speed);
    }
    for (const each of this.root.querySelectorAll("button, input")) each.disabled = !leader;
    this.find("status").textContent = state === "loading" ? words.loading : state === "waiting" ? words.waiting : "";
    if (leader) this.find("seek").max = frames(leader) - 1;
    if (this.data.curve && Math.abs(this.curve.end - this.end()) > 0.01) this.chart();
  }

  // What changes with every picture: times, frame, cursor, values.
  tick(moment) {
    if (!this.data) return;
    const { together, places, root } = this;
    together.tick(moment);
    places.forEach(({ video, track }, number) => {
      root.dataset[`${SIDES[number]}Time`] = video && !track.broken ? now(track).toFixed(4) : "";
    });
    const { leader, time } = together;
    if (together.state !== root.dataset.state) this.shown();
    const stamp = `${time} ${leader ? frames(leader) : 0} ${this.curve.end} ${this.data.stamp}`;
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    if (leader) this.place(leader, time);
    if (!this.data.curve) return;
    this.curve.move(time).forEach((value, number) => {
      this.readings[number].value.textContent = value === null ? "–" : value.toFixed(3);
    });
  }

  place(leader, time) {
    const number = frame(leader, time), bar = this.find("seek");
    const told = { frame: number + 1, frames: frames(leader), seconds: time.toFixed(2) };
    bar.value = number;
    bar.setAttribute("aria-valuetext", fill(this.data.words.position, told));
    this.find("clock").textContent = fill(this.data.words.position, told);
    this.root.dataset.frame = number;
  }

  gone() {
    cancelAnimationFrame(this.request);
    this.curve.gone();
    for (const { video } of this.together.tracks) silence(video);
    this.data = null;
  }
}

function picture(path) {
  const svg = draw("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" });
  svg.append(draw("path", { d: path }));
  return svg;
}

function swatch(number) {
  const svg = draw("svg", { viewBox: "-1 -8 36 16", width: 36, height: 16, "aria-hidden": "true" });
  svg.append(sample(number, 0, 0));
  return svg;
}

function silence(video) {
  video.pause();
  video.removeAttribute("src");
  video.load(); // lets go of the connection
}

function fill(words, values) {
  return words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function title(element, words) {
  element.title = words;
  element.setAttribute("aria-label", words);
}

const known = new WeakMap();

// Streamlit calls this for every change of the data; what it returns is called once, at the end.
export default function (component) {
  const root = component.parentElement.querySelector(".player");
  if (!root) return;
  if (!known.has(root)) known.set(root, new Player(root));
  const player = known.get(root);
  player.update(component.data);
  return () => {
    player.gone();
    known.delete(root);
  };
}

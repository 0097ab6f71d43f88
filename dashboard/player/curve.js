// Values by frame as lines over time, with a cursor: drawn as SVG, from texts that stay texts.

const HEIGHT = 210;
const ABOVE = 12, BELOW = 40, BEFORE = 56;
const LINES = [
  { colour: "#0072B2", dash: "", mark: "circle" },
  { colour: "#D55E00", dash: "7 4", mark: "square" },
];

class Curve {
  // seek(time): called when the reader points at a time.
  constructor(box, seek) {
    this.box = box;
    this.seek = seek;
    this.width = 0;
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(box);
  }

  // given: {title, about, time, chunks, low, high, sides: [{label, fps, first, values, chunks}]}; end: seconds.
  show(given, end) {
    this.given = given;
    this.end = end;
    this.draw();
  }

  fit() {
    if (this.given && Math.abs(this.box.clientWidth - this.width) > 1) this.draw();
  }

  draw() {
    const { box, given } = this;
    this.width = Math.max(280, box.clientWidth);
    this.after = this.width < 560 ? 16 : Math.min(220, 54 + 7.4 * Math.max(...given.sides.map((s) => s.label.length)));
    const svg = draw("svg", { viewBox: `0 0 ${this.width} ${HEIGHT}`, role: "img", "aria-label": given.about });
    this.axes(svg);
    given.sides.forEach((side, place) => this.chunks(svg, side, place));
    given.sides.forEach((side, place) => this.line(svg, side, place));
    if (this.after > 16) this.names(svg);
    this.cursor = draw("line", { class: "cursor", y1: ABOVE, y2: HEIGHT - BELOW });
    this.dots = given.sides.map((side, place) => mark(place));
    svg.append(this.cursor, ...this.dots.filter(Boolean));
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      this.point(svg, event);
    });
    svg.addEventListener("pointermove", (event) => event.buttons && this.point(svg, event));
    box.replaceChildren(text("p", given.title, "title"), svg);
    this.move(this.now || 0);
  }

  point(svg, event) {
    const place = (event.clientX - svg.getBoundingClientRect().left) * (this.width / svg.clientWidth || 1);
    this.seek(((place - BEFORE) / (this.width - BEFORE - this.after)) * this.end);
  }

  x(time) {
    return BEFORE + (time / (this.end || 1)) * (this.width - BEFORE - this.after);
  }

  y(value) {
    const { low, high } = this.given;
    return HEIGHT - BELOW - ((value - low) / (high - low || 1)) * (HEIGHT - ABOVE - BELOW);
  }

  axes(svg) {
    const { low, high } = this.given;
    const right = this.width - this.after, bottom = HEIGHT - BELOW;
    for (const value of ticks(low, high, 4)) {
      const y = this.y(value);
      svg.append(draw("line", { class: "grid", x1: BEFORE, x2: right, y1: y, y2: y }));
      svg.append(draw("text", { x: BEFORE - 8, y: y + 4, "text-anchor": "end" }, short(value)));
    }
    for (const time of ticks(0, this.end, Math.max(3, (right - BEFORE) / 110))) {
      svg.append(draw("line", { class: "axis", x1: this.x(time), x2: this.x(time), y1: bottom, y2: bottom + 4 }));
      svg.append(draw("text", { x: this.x(time), y: bottom + 18, "text-anchor": "middle" }, short(time)));
    }
    svg.append(draw("line", { class: "axis", x1: BEFORE, x2: right, y1: bottom, y2: bottom }));
    const middle = (BEFORE + right) / 2;
    svg.append(draw("text", { x: middle, y: HEIGHT - 5, "text-anchor": "middle" }, this.given.time));
  }

  // Where chunks begin; where the sides differ each has its half of the height.
  chunks(svg, side, place) {
    const { sides } = this.given;
    const same = sides.length === 1 || JSON.stringify(sides[0].chunks) === JSON.stringify(sides[1].chunks);
    if (same && place) return;
    const middle = (ABOVE + HEIGHT - BELOW) / 2;
    const [y1, y2] = same ? [ABOVE, HEIGHT - BELOW] : place ? [middle, HEIGHT - BELOW] : [ABOVE, middle];
    for (const time of side.chunks) {
      if (time < this.end) svg.append(draw("line", { class: "chunk", x1: this.x(time), x2: this.x(time), y1, y2 }));
    }
  }

  line(svg, side, place) {
    let path = "", pen = "M";
    side.values.forEach((value, index) => {
      if (value === null) return (pen = "M");
      path += `${pen}${this.x((side.first + index + 0.5) / side.fps).toFixed(1)} ${this.y(value).toFixed(1)}`;
      pen = "L";
    });
    const { colour, dash } = LINES[place];
    svg.append(draw("path", { class: "line", d: path, stroke: colour, "stroke-dasharray": dash }));
  }

  // Each line's name where it ends, apart from the other's.
  names(svg) {
    const found = this.given.sides.map((side, place) => {
      const last = side.values.findLast((value) => value !== null);
      return last === undefined ? null : { place, label: side.label, y: this.y(last) };
    });
    const names = found.filter(Boolean).sort((a, b) => a.y - b.y);
    if (names.length === 2 && names[1].y - names[0].y < 18) {
      const middle = (names[0].y + names[1].y) / 2;
      names[0].y = Math.max(ABOVE + 4, middle - 9);
      names[1].y = names[0].y + 18;
    }
    for (const { place, label, y } of names) {
      const x = this.width - this.after + 8;
      svg.append(sample(place, x, y));
      svg.append(draw("text", { class: "name", x: x + 40, y: y + 4 }, label));
    }
  }

  // Bring the cursor to a time; returns the value of each side there, null where it has none.
  move(time) {
    this.now = time;
    if (!this.cursor) return [];
    const x = this.x(Math.min(time, this.end));
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    return this.given.sides.map((side, place) => {
      const number = Math.min(Math.floor(time * side.fps + 0.001), side.first + side.values.length - 1);
      const value = side.values[number - side.first] ?? null;
      const dot = this.dots[place];
      dot.style.display = value === null ? "none" : "";
      const there = this.x((number + 0.5) / side.fps);
      if (value !== null) dot.setAttribute("transform", `translate(${there} ${this.y(value)})`);
      return value;
    });
  }

  gone() {
    this.watch.disconnect();
  }
}

function mark(place) {
  const { colour, mark: shape } = LINES[place];
  if (shape === "circle") return draw("circle", { r: 5.5, fill: colour, class: "dot" });
  return draw("rect", { x: -5, y: -5, width: 10, height: 10, fill: colour, class: "dot" });
}

// A piece of a side's line with its mark, to stand before its name.
function sample(place, x, y) {
  const group = draw("g", { transform: `translate(${x} ${y})` });
  const { colour, dash } = LINES[place];
  group.append(draw("line", { x1: 0, x2: 34, class: "line", stroke: colour, "stroke-dasharray": dash }));
  const dot = mark(place);
  dot.setAttribute("transform", "translate(17 0)");
  group.append(dot);
  return group;
}

function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const steps = [1, 2, 5, 10].map((each) => each * ten);
  const step = steps.reduce((best, each) => (Math.abs(each - rough) < Math.abs(best - rough) ? each : best));
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(n * step);
  return found;
}

function short(value) {
  return Number(value.toPrecision(6)).toString();
}

function draw(name, settings, words) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(settings)) if (value !== "") made.setAttribute(key, value);
  if (words !== undefined) made.textContent = words;
  return made;
}

function text(name, words, look) {
  const made = document.createElement(name);
  made.className = look || "";
  made.textContent = words;
  return made;
}

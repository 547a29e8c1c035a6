/* A phase portrait to play with, for states of two or three units, on top of network.js.
   Portrait(box) builds it in the element that holds its data; box.gnodePortrait is the handle for scripts:
   place(state), hold(input), pulse(value), use("map" | "flow"), clear(), trajectory() and points. */
"use strict";
(() => {
  const BINS = 300;       // how far a placed state is followed
  const PREVIEW = 60;     // the same while something is dragged
  const MOST = 12;        // placed states
  const INKS = ["#ff7a59", "#ffd166", "#7ee0c3", "#f78fb3", "#c3a6ff", "#9be564"];
  const MARGIN = {left: 46, right: 10, top: 10, bottom: 40};

  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const norm = v => Math.hypot(...v);
  const short = v => Number.isInteger(v) ? String(v) : (Math.abs(v) >= 100 ? v.toFixed(0) : v.toFixed(2)).replace("-", "−");

  const rgb = text => [1, 3, 5].map(at => parseInt(text.slice(at, at + 2), 16));
  const shade = (colours, share) => {
    const at = Math.min(Math.max(share, 0), 1) * (colours.length - 1), below = Math.min(Math.floor(at), colours.length - 2);
    return colours[below].map((c, k) => c + (at - below) * (colours[below + 1][k] - c));
  };
  const ticks = (low, high) => {
    const rough = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * [1, 2, 5, 10].find(s => s * unit >= rough);
    const out = [];
    for (let t = Math.ceil(low / step) * step; t <= high; t += step) out.push(Math.abs(t) < step / 1e6 ? 0 : t);
    return out.map(t => ({at: t, text: String(Number(t.toPrecision(3))).replace("-", "−")}));
  };
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  /* A canvas of so many CSS pixels, sharp on any screen. */
  const sized = (canvas, width, height) => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
  };
  const arrow = (context, from, to, head) => {
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
    context.moveTo(...from);
    context.lineTo(...to);
    for (const turn of [2.6, -2.6]) {
      context.moveTo(...to);
      context.lineTo(to[0] + head * Math.cos(angle + turn), to[1] + head * Math.sin(angle + turn));
    }
  };

  /* Velocities on a lattice of the drawn region, `count` nodes a side. */
  const sample = (dynamics, low, high, input, count) => {
    const size = low.length, nodes = [], velocities = [];
    for (let at = 0; at < count ** size; at++) {
      const node = low.map((l, d) => l + (high[d] - l) * (Math.floor(at / count ** d) % count + 0.5) / count);
      nodes.push(node);
      velocities.push(dynamics.field.velocity(node, input));
    }
    return {count, nodes, velocities, speeds: velocities.map(norm)};
  };

  /* Where searches for fixed points begin: slow spots of the lattice (or, to be thorough, floors of its valleys), a
     coarse lattice, and points known before. */
  const starts = (lattice, low, high, known, coarse, thorough) => {
    const {count, nodes, speeds} = lattice, size = low.length, found = [...known];
    for (let at = 0; at < nodes.length; at++) {
      let least = 0;
      for (let d = 0; d < size; d++) {
        const place = Math.floor(at / count ** d) % count;
        const below = place === 0 || speeds[at - count ** d] >= speeds[at];
        if (below && (place === count - 1 || speeds[at + count ** d] >= speeds[at])) least++;
      }
      if (least >= (thorough ? size - 1 : size)) found.push(nodes[at]);
    }
    for (let at = 0; at < coarse ** size; at++) {
      found.push(low.map((l, d) => l + (high[d] - l) * (Math.floor(at / coarse ** d) % coarse + 0.5) / coarse));
    }
    return found;
  };

  /* N = 2: the plane itself, speed as colour with arrows on it. */
  class PlaneView {
    constructor(data) {
      this.low = data.low;
      this.high = data.high;
      this.count = {sharp: 45, preview: 24};
      this.coarse = {sharp: 7, preview: 3};
    }
    fit(width, height) {
      this.frame = [MARGIN.left, MARGIN.top, width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
    }
    toPixel(state) {
      const [x, y, w, h] = this.frame;
      return [x + w * (state[0] - this.low[0]) / (this.high[0] - this.low[0]), y + h * (1 - (state[1] - this.low[1]) / (this.high[1] - this.low[1]))];
    }
    toState([px, py]) {
      const [x, y, w, h] = this.frame;
      return [this.low[0] + (this.high[0] - this.low[0]) * (px - x) / w, this.low[1] + (this.high[1] - this.low[1]) * (1 - (py - y) / h)];
    }
    ground(context, lattice, colour) {
      const {count, nodes, velocities, speeds} = lattice, [x, y, w, h] = this.frame;
      const picture = new ImageData(count, count);
      for (let at = 0; at < nodes.length; at++) {
        const row = count - 1 - Math.floor(at / count), column = at % count;
        picture.data.set([...colour(speeds[at]), 255], 4 * (row * count + column));
      }
      const small = document.createElement("canvas");
      small.width = small.height = count;
      small.getContext("2d").putImageData(picture, 0, 0);
      context.save();
      context.beginPath();
      context.rect(x, y, w, h);
      context.clip();
      context.imageSmoothingQuality = "high";
      context.drawImage(small, x, y, w, h);
      context.beginPath();
      const every = Math.max(1, Math.round(count / 15)), length = 0.62 * every * w / count;
      for (let at = 0; at < nodes.length; at++) {
        if (at % count % every !== every >> 1 || Math.floor(at / count) % every !== every >> 1 || !speeds[at]) continue;
        const [cx, cy] = this.toPixel(nodes[at]);
        const dx = velocities[at][0] / speeds[at] * length / 2, dy = -velocities[at][1] / speeds[at] * length / 2;
        arrow(context, [cx - dx, cy - dy], [cx + dx, cy + dy], 0.4 * length);
      }
      context.strokeStyle = "rgba(255,255,255,.55)";
      context.lineWidth = 1;
      context.stroke();
      context.restore();
      this.axes(context);
    }
    axes(context) {
      const [x, y, w, h] = this.frame;
      context.fillStyle = css("--ink-soft");
      context.font = `12px ${css("--font")}`;
      context.textAlign = "center";
      context.textBaseline = "top";
      for (const {at, text} of ticks(this.low[0], this.high[0])) context.fillText(text, this.toPixel([at, 0])[0], y + h + 6);
      context.fillText("unit 1", x + w / 2, y + h + 22);
      context.textAlign = "right";
      context.textBaseline = "middle";
      for (const {at, text} of ticks(this.low[1], this.high[1])) context.fillText(text, x - 7, this.toPixel([0, at])[1]);
      context.save();
      context.translate(9, y + h / 2);
      context.rotate(-Math.PI / 2);
      context.textAlign = "center";
      context.fillText("unit 2", 0, 0);
      context.restore();
    }
    clip(context) { context.beginPath(); context.rect(...this.frame); context.clip(); }
    near() { return 1; }
  }

  /* N = 3: a box seen from a side that the reader turns; arrows as long and as bright as the flow is fast. */
  class SpaceView {
    constructor(data) {
      this.low = data.low;
      this.high = data.high;
      this.middle = data.low.map((l, d) => (l + data.high[d]) / 2);
      this.reach = Math.max(...data.low.map((l, d) => data.high[d] - l)) / 2;
      this.yaw = 0.6;
      this.pitch = 0.45;
      this.count = {sharp: 8, preview: 6};
      this.coarse = {sharp: 4, preview: 2};
    }
    fit(width, height) {
      this.frame = [0, 0, width, height];
      this.scale = Math.min(width, height) / (3.55 * this.reach);
    }
    /* Right, up, and towards the reader. */
    axes3() {
      const [a, b, c, d] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
      return [[a, b, 0], [-b * d, a * d, c], [b * c, -a * c, d]];
    }
    seen(state) {
      const [right, up, towards] = this.axes3(), from = state.map((v, d) => v - this.middle[d]);
      const dot = axis => axis.reduce((sum, v, d) => sum + v * from[d], 0);
      return [dot(right), dot(up), dot(towards)];
    }
    toPixel(state) {
      const [x, y, w, h] = this.frame, [right, up] = this.seen(state);
      return [x + w / 2 + this.scale * right, y + h / 2 - this.scale * up];
    }
    /* On the plane through the middle that faces the reader. */
    toState([px, py]) {
      const [x, y, w, h] = this.frame, [right, up] = this.axes3();
      const a = (px - x - w / 2) / this.scale, b = -(py - y - h / 2) / this.scale;
      return this.middle.map((m, d) => m + a * right[d] + b * up[d]);
    }
    turn(dx, dy) {
      this.yaw -= dx / 130;
      this.pitch = Math.min(Math.max(this.pitch + dy / 130, -1.5), 1.5);
    }
    near(state) { return 0.5 + 0.5 * this.seen(state)[2] / (1.75 * this.reach); }
    ground(context, lattice, colour, share) {
      const [x, y, w, h] = this.frame;
      context.fillStyle = "#0d1330";
      context.fillRect(x, y, w, h);
      const order = lattice.nodes.map((node, at) => [this.near(node), at]).sort((a, b) => a[0] - b[0]);
      const cell = 2 * this.reach / lattice.count;
      context.lineWidth = 1.1;
      for (const [near, at] of order) {
        const speed = lattice.speeds[at];
        if (!speed) continue;
        const length = cell * (0.25 + 0.6 * Math.min(Math.max(share(speed), 0), 1)) / 2;
        const move = Array.from(lattice.velocities[at], v => v / speed * length);
        const node = lattice.nodes[at];
        context.beginPath();
        arrow(context, this.toPixel(node.map((v, d) => v - move[d])), this.toPixel(node.map((v, d) => v + move[d])), 3.5);
        context.strokeStyle = `rgba(${colour(speed).map(c => Math.round(60 + 0.76 * c)).join(",")},${(0.12 + 0.5 * near).toFixed(3)})`;
        context.stroke();
      }
      this.edges(context);
    }
    edges(context) {
      const corner = at => this.low.map((l, d) => (at >> d) & 1 ? this.high[d] : l);
      context.strokeStyle = "rgba(200,212,235,.32)";
      context.lineWidth = 1;
      context.beginPath();
      for (let at = 0; at < 8; at++) for (let d = 0; d < 3; d++) if (!((at >> d) & 1)) {
        context.moveTo(...this.toPixel(corner(at)));
        context.lineTo(...this.toPixel(corner(at | (1 << d))));
      }
      context.stroke();
      context.fillStyle = "#c8d4eb";
      context.font = `12px ${css("--font")}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      for (let d = 0; d < 3; d++) {
        const end = this.low.map((l, k) => k === d ? this.high[k] + 0.16 * this.reach : l);
        context.fillText(`unit ${d + 1}`, ...this.toPixel(end));
      }
    }
    clip(context) { context.beginPath(); context.rect(...this.frame); context.clip(); }
  }

  gnode.Portrait = class {
    constructor(box) {
      const source = box.querySelector("script");
      this.data = JSON.parse(source.textContent);
      source.remove();
      this.box = box;
      box.gnodePortrait = this;
      this.deep = this.data.stateSize === 3;
      this.dynamics = new gnode.Dynamics(this.data);
      this.view = this.deep ? new SpaceView(this.data) : new PlaneView(this.data);
      this.colours = this.data.speed.map(rgb);
      this.mode = "map";
      this.acting = "hold";
      this.input = new Array(this.data.inputSize).fill(0);
      this.pulsed = new Array(this.data.inputSize).fill(0);
      this.particles = [];
      this.placed = 0;
      this.points = this.data.known.map(point => ({point}));
      this.cursor = null;
      this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.build();
      this.follow("sharp");
      const silent = Array.from(this.lattice.speeds, v => Math.log10(Math.max(v, 1e-9))).sort((a, b) => a - b);
      this.slowest = silent[Math.floor(0.005 * silent.length)];
      this.fastest = Math.max(silent[Math.floor(0.995 * (silent.length - 1))], this.slowest + 0.5);
      this.redraw();
    }

    // -- for scripts, and for the controls --

    /* Put a state into the portrait and follow it under the held input. */
    place(state, bins = BINS) {
      this.particles.push({start: Array.from(state), path: null, ink: INKS[this.placed++ % INKS.length]});
      if (this.particles.length > MOST) this.particles.shift();
      this.run(this.particles[this.particles.length - 1], bins);
      this.animate();
    }
    /* Hold the input still at a value; placed states start anew under it. */
    hold(input, detail = "sharp") {
      this.input = Array.from(input, Number);
      this.follow(detail);
      const latest = this.particles[this.particles.length - 1];
      for (const particle of detail === "sharp" ? this.particles : latest ? [latest] : []) {
        this.run(particle, detail === "sharp" ? BINS : PREVIEW);
        particle.shown = particle.path.length;
      }
      this.showInput();
      this.redraw();
    }
    /* Give a value to all placed states for the length of one pulse, then let them go on under the held input. */
    pulse(value) {
      if (!this.particles.length) this.place(this.view.low.map((l, d) => (l + this.view.high[d]) / 2));
      const strong = Array.from(value, Number);
      const inputs = [...new Array(this.data.pulseBins).fill(strong), ...new Array(BINS - this.data.pulseBins).fill(this.input)];
      for (const particle of this.particles) {
        const from = particle.path[particle.path.length - 1];
        particle.path = [from, ...this.dynamics.trajectory(from, inputs, this.mode)];
        particle.shown = 1;
      }
      this.pulsed = strong;
      this.showInput();
      this.animate();
    }
    use(mode) {
      this.mode = mode;
      this.press(this.modes, mode);
      for (const particle of this.particles) { this.run(particle, BINS); particle.shown = particle.path.length; }
      this.redraw();
    }
    clear() { this.particles = []; this.redraw(); }
    /* States of the placed state of the last, bin by bin, the start first. */
    trajectory() {
      const latest = this.particles[this.particles.length - 1];
      return latest ? latest.path.map(state => Array.from(state)) : [];
    }

    // -- computing --

    run(particle, bins) {
      particle.path = [particle.start, ...this.dynamics.trajectory(particle.start, new Array(bins).fill(this.input), this.mode)];
      particle.shown = 1;
    }
    /* Flow and fixed points for the held input. */
    follow(detail) {
      const {low, high} = this.view;
      this.lattice = sample(this.dynamics, low, high, this.input, this.view.count[detail]);
      const known = this.points.map(p => p.point);
      const from = starts(this.lattice, low, high, known, this.view.coarse[detail], detail === "sharp");
      this.points = this.dynamics.fixedPoints(from, this.input, 1e-3 * norm(high.map((h, d) => h - low[d])));
    }

    // -- drawing --

    redraw() {
      const width = Math.max(this.canvas.parentElement.clientWidth, 120), height = this.deep ? Math.min(width, 620) : width;
      this.view.fit(width, height);
      this.ground = document.createElement("canvas");
      const context = sized(this.ground, width, height);
      const share = speed => (Math.log10(Math.max(speed, 1e-9)) - this.slowest) / (this.fastest - this.slowest);
      this.view.ground(context, this.lattice, speed => shade(this.colours, share(speed)), share);
      this.context = sized(this.canvas, width, height);
      if (this.pad) this.drawPad();
      this.paint();
    }
    /* What moves, over the ground that was drawn before. */
    paint() {
      const {context, view} = this;
      context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      context.drawImage(this.ground, 0, 0, this.canvas.clientWidth, parseFloat(this.canvas.style.height));
      context.save();
      view.clip(context);
      for (const particle of this.particles) this.paintPath(particle);
      for (const found of this.points) this.paintPoint(found);
      if (this.cursor) {
        const [x, y] = view.toPixel(this.cursor);
        context.strokeStyle = "#ffffff";
        context.lineWidth = 1.5;
        context.beginPath();
        context.moveTo(x - 9, y); context.lineTo(x + 9, y); context.moveTo(x, y - 9); context.lineTo(x, y + 9);
        context.stroke();
      }
      context.restore();
      this.tell();
    }
    paintPath({path, shown, ink}) {
      const {context, view} = this, pixels = path.slice(0, shown).map(state => view.toPixel(state));
      context.strokeStyle = context.fillStyle = ink;
      context.lineWidth = this.mode === "map" ? 1.2 : 2;
      context.lineJoin = "round";
      context.beginPath();
      pixels.forEach(([x, y], at) => at ? context.lineTo(x, y) : context.moveTo(x, y));
      context.stroke();
      if (this.mode === "map") {
        context.beginPath();
        for (const [x, y] of pixels) { context.moveTo(x + 1.8, y); context.arc(x, y, 1.8, 0, 7); }
        context.fill();
      }
      const [first, last] = [pixels[0], pixels[pixels.length - 1]];
      context.lineWidth = 1.5;
      context.beginPath();
      context.arc(...first, 4, 0, 7);
      context.stroke();
      context.beginPath();
      context.arc(...last, 5.5, 0, 7);
      context.fill();
      context.strokeStyle = "#ffffff";
      context.stroke();
    }
    paintPoint(found) {
      const {context} = this, [x, y] = this.view.toPixel(found.point), kind = found[this.mode];
      context.globalAlpha = 0.45 + 0.55 * Math.min(Math.max(this.view.near(found.point), 0), 1);
      context.fillStyle = this.data.stability[kind];
      context.strokeStyle = "#ffffff";
      context.lineWidth = 1.4;
      context.beginPath();
      if (kind === "stable") context.arc(x, y, 5.5, 0, 7);
      else {
        const corners = kind === "saddle" ? [[0, -7], [7, 0], [0, 7], [-7, 0]] : [[-5, -5], [5, -5], [5, 5], [-5, 5]];
        corners.forEach(([dx, dy], at) => at ? context.lineTo(x + dx, y + dy) : context.moveTo(x + dx, y + dy));
        context.closePath();
      }
      context.fill();
      context.stroke();
      context.globalAlpha = 1;
    }
    animate() {
      if (this.calm) for (const particle of this.particles) particle.shown = particle.path.length;
      this.paint();
      if (this.moving || this.calm) return;
      const frame = () => {
        let more = false;
        for (const particle of this.particles) {
          if (particle.shown < particle.path.length) { particle.shown = Math.min(particle.shown + 2, particle.path.length); more = true; }
        }
        this.paint();
        this.moving = more ? requestAnimationFrame(frame) : null;
      };
      this.moving = requestAnimationFrame(frame);
    }
    tell() {
      const count = kind => this.points.filter(found => found[this.mode] === kind).length;
      for (const kind of ["stable", "saddle", "unstable"]) this.counts[kind].textContent = count(kind);
      const latest = this.particles[this.particles.length - 1];
      const told = latest
        ? `after ${latest.shown - 1} bins: (${Array.from(latest.path[latest.shown - 1], short).join(", ")})`
        : "no state placed yet";
      if (this.told.textContent !== told) this.told.textContent = told;
    }

    // -- controls --

    build() {
      const hint = this.deep
        ? "Phase portrait. Arrow keys turn it, Enter places a state in the middle."
        : "Phase portrait. Arrow keys move a cross, Enter places a state there.";
      this.canvas = element("canvas", {tabindex: "0", role: "application", "aria-label": hint});
      this.canvas.style.touchAction = this.deep ? "none" : "manipulation";
      this.told = element("output");
      this.counts = {};
      const key = element("div", {class: "key"});
      for (const kind of ["stable", "saddle", "unstable"]) {
        this.counts[kind] = element("b");
        key.append(element("span", {}, element("i", {class: `mark ${kind}`, style: `background:${this.data.stability[kind]}`}), this.counts[kind], ` ${kind}`));
      }
      this.modes = this.choice({map: "map", flow: "flow"}, this.mode, mode => this.use(mode));
      const controls = element("div", {class: "controls"}, element("fieldset", {}, element("legend", {}, "Time"), this.modes));
      if (this.data.inputSize) controls.append(this.inputControls());
      const clear = element("button", {type: "button"}, "Remove states");
      clear.onclick = () => this.clear();
      controls.append(element("fieldset", {}, element("legend", {}, "Fixed points"), key), clear);
      this.box.append(element("div", {class: "stage"}, this.canvas, this.told), controls);
      this.listen();
    }
    inputControls() {
      const acts = this.choice({hold: "hold", pulse: "pulse"}, this.acting, act => { this.acting = act; this.showInput(); });
      const zero = element("button", {type: "button"}, "Zero");
      zero.onclick = () => this.hold(this.input.map(() => 0));
      this.inputTold = element("output");
      const set = element("fieldset", {}, element("legend", {}, "Input"), element("div", {class: "row"}, acts, zero));
      if (this.data.inputSize === 2) {
        this.pad = element("canvas", {class: "pad", tabindex: "0", role: "application", "aria-label": "Input: drag, or use the arrow keys"});
        set.append(this.pad);
      } else {
        const reach = this.data.inputReach;
        this.sliders = this.input.map((_, at) => element("input", {
          type: "range", min: -reach, max: reach, step: reach / 100, value: 0, "aria-label": `input ${at + 1}`}));
        set.append(element("div", {class: "sliders"}, ...this.sliders.map((slider, at) => element("label", {}, `input ${at + 1}`, slider))));
      }
      set.append(this.inputTold);
      return set;
    }
    choice(names, chosen, act) {
      const row = element("div", {class: "choice", role: "group"});
      for (const [name, text] of Object.entries(names)) {
        const button = element("button", {type: "button", "data-name": name, "aria-pressed": name === chosen}, text);
        button.onclick = () => { this.press(row, name); act(name); };
        row.append(button);
      }
      return row;
    }
    press(row, name) {
      for (const button of row.children) button.setAttribute("aria-pressed", button.dataset.name === name);
    }
    listen() {
      const at = event => { const box = this.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
      let from = null, turned = false;
      this.canvas.addEventListener("pointerdown", event => { from = at(event); turned = false; if (this.deep) this.canvas.setPointerCapture(event.pointerId); });
      this.canvas.addEventListener("pointermove", event => {
        if (!from || !this.deep) return;
        const now = at(event);
        if (!turned && norm([now[0] - from[0], now[1] - from[1]]) < 5) return;
        turned = true;
        this.view.turn(now[0] - from[0], now[1] - from[1]);
        from = now;
        this.redraw();
      });
      this.canvas.addEventListener("pointercancel", () => { from = null; });
      this.canvas.addEventListener("pointerup", event => {
        if (from && !turned) { this.cursor = null; this.place(this.view.toState(at(event))); }
        from = null;
      });
      this.canvas.addEventListener("keydown", event => this.key(event));
      this.canvas.addEventListener("blur", () => { this.cursor = null; this.paint(); });
      if (this.pad) this.listenPad();
      for (const slider of this.sliders || []) {
        const value = () => this.sliders.map(one => Number(one.value));
        slider.addEventListener("input", () => this.acting === "hold" ? this.hold(value(), "preview") : this.showPulse(value()));
        slider.addEventListener("change", () => this.acting === "hold" ? this.hold(value()) : this.pulse(value()));
      }
      this.showInput();
    }
    key(event) {
      const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
      const middle = this.view.low.map((l, d) => (l + this.view.high[d]) / 2);
      if (move && this.deep) { this.view.turn(12 * move[0], -12 * move[1]); this.redraw(); }
      else if (move) {
        const step = (this.view.high[0] - this.view.low[0]) / 40;
        this.cursor = (this.cursor || middle).map((v, d) => v + step * move[d]);
        this.paint();
      } else if (event.key === "Enter" || event.key === " ") this.place(this.cursor || middle);
      else return;
      event.preventDefault();
    }
    listenPad() {
      const value = event => {
        const box = this.pad.getBoundingClientRect(), reach = this.data.inputReach;
        const clip = v => Math.min(Math.max(v, -1), 1) * reach;
        return [clip(2.2 * (event.clientX - box.left) / box.width - 1.1), clip(1.1 - 2.2 * (event.clientY - box.top) / box.height)];
      };
      let last = null;
      const give = (now, detail) => this.acting === "hold" ? this.hold(now, detail) : detail === "sharp" ? this.pulse(now) : this.showPulse(now);
      this.pad.addEventListener("pointerdown", event => { this.pad.setPointerCapture(event.pointerId); give(last = value(event), "preview"); });
      this.pad.addEventListener("pointermove", event => {
        if (!last) return;
        last = value(event);
        if (!this.waiting) this.waiting = requestAnimationFrame(() => { this.waiting = null; if (last) give(last, "preview"); });
      });
      const end = () => { if (last) give(last, "sharp"); last = null; };
      this.pad.addEventListener("pointerup", end);
      this.pad.addEventListener("pointercancel", end);
      this.pad.addEventListener("keydown", event => {
        const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
        const shown = this.acting === "hold" ? this.input : this.pulsed, step = this.data.inputReach / 10;
        const clip = v => Math.min(Math.max(v, -this.data.inputReach), this.data.inputReach);
        if (move) { const next = shown.map((v, d) => clip(v + step * move[d])); if (this.acting === "hold") this.hold(next); else this.showPulse(next); }
        else if (event.key === "Enter" && this.acting === "pulse") this.pulse(this.pulsed);
        else return;
        event.preventDefault();
      });
    }
    showPulse(value) { this.pulsed = value; this.showInput(); }
    showInput() {
      if (!this.inputTold) return;
      const text = values => values.length > 3 ? "" : ` (${values.map(short).join(", ")})`;
      this.inputTold.textContent = this.acting === "hold" ? `held${text(this.input)}` : `pulse${text(this.pulsed)}, ${this.data.pulseBins} bins`;
      if (this.sliders) this.sliders.forEach((slider, at) => { slider.value = (this.acting === "hold" ? this.input : this.pulsed)[at]; });
      if (this.pad && this.pad.isConnected) this.drawPad();
    }
    drawPad() {
      const side = this.pad.clientWidth || 170, context = sized(this.pad, side, side), reach = this.data.inputReach;
      const pixel = ([a, b]) => [side * (a / reach + 1.1) / 2.2, side * (1.1 - b / reach) / 2.2];
      context.clearRect(0, 0, side, side);
      context.strokeStyle = css("--grid");
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(side / 2, 0); context.lineTo(side / 2, side); context.moveTo(0, side / 2); context.lineTo(side, side / 2);
      context.stroke();
      context.fillStyle = css("--ink-soft");
      context.font = `11px ${css("--font")}`;
      context.textAlign = "right";
      context.textBaseline = "bottom";
      const end = String(Number(reach.toPrecision(2)));
      context.fillText(end, side - 4, side / 2 - 2);
      context.textAlign = "left";
      context.textBaseline = "top";
      context.fillText(end, side / 2 + 4, 3);
      context.strokeStyle = context.fillStyle = css("--accent");
      context.lineWidth = 2;
      context.beginPath();
      context.arc(...pixel(this.input), 8, 0, 7);
      this.acting === "hold" ? context.fill() : context.stroke();
      if (this.acting === "pulse") {
        context.fillStyle = INKS[0];
        context.beginPath();
        context.arc(...pixel(this.pulsed), 7, 0, 7);
        context.fill();
      }
    }
  };
})();

/* A trained field in the page: the same arithmetic as gnode.fields, in double precision.
   Field(data).velocity(h, x) is tau * dh/dt; Dynamics adds time: the map that was trained, and the flow. */
"use strict";
const gnode = window.gnode = {};

gnode.activations = {
  "identity": v => v,
  "sigmoid": v => 1 / (1 + Math.exp(-v)),
  "steep-sigmoid": v => 1 / (1 + Math.exp(-10 * v)),
  "swish": v => v / (1 + Math.exp(-v)),
  "relu": v => v > 0 ? v : 0,
  "gelu": v => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))),
  "tanh": Math.tanh,
};

gnode.decode = text => {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({length: bytes.length / 4}, (_, i) => view.getFloat32(4 * i, true));
};

gnode.Dense = class {
  constructor(data) {
    this.rows = data.rows;
    this.columns = data.columns;
    this.weight = gnode.decode(data.weight);
    this.bias = data.bias === null ? null : gnode.decode(data.bias);
  }
  apply(values) {
    const {rows, columns, weight, bias} = this;
    const out = new Float64Array(rows);
    for (let i = 0, at = 0; i < rows; i++) {
      let sum = bias === null ? 0 : bias[i];
      for (let j = 0; j < columns; j++) sum += weight[at++] * values[j];
      out[i] = sum;
    }
    return out;
  }
};

gnode.normalise = (values, norm) => {
  const n = values.length;
  let mean = 0, variance = 0;
  for (const v of values) mean += v / n;
  for (const v of values) variance += (v - mean) * (v - mean) / n;
  const factor = 1 / Math.sqrt(variance + 1e-5);
  return values.map((v, i) => (v - mean) * factor * norm.scale[i] + norm.shift[i]);
};

gnode.FeedForward = class {
  constructor(data) {
    this.fromState = new gnode.Dense(data.fromState);
    this.fromInput = new gnode.Dense(data.fromInput);
    this.later = data.later.map(layer => new gnode.Dense(layer));
    this.norms = data.norms.map(n => ({scale: gnode.decode(n.scale), shift: gnode.decode(n.shift)}));
    this.activation = gnode.activations[data.activation];
    this.lastActivation = gnode.activations[data.lastActivation];
    this.heldFor = null;
  }
  apply(state, input) {
    let signal = this.fromState.apply(state);
    if (this.norms.length) signal = gnode.normalise(signal, this.norms[0]);
    if (this.heldFor !== input) { this.held = this.fromInput.apply(input); this.heldFor = input; }
    for (let i = 0; i < signal.length; i++) signal[i] += this.held[i];
    this.later.forEach((layer, position) => {
      for (let i = 0; i < signal.length; i++) signal[i] = this.activation(signal[i]);
      signal = layer.apply(signal);
      if (this.norms.length) signal = gnode.normalise(signal, this.norms[position + 1]);
    });
    for (let i = 0; i < signal.length; i++) signal[i] = this.lastActivation(signal[i]);
    return signal;
  }
};

/* tau dh/dt = gate * (-h + F); an input array is taken as unchanged as long as it is the same object. */
gnode.Field = class {
  constructor(data) {
    const net = part => data[part] === null ? null : new gnode.FeedForward(data[part]);
    this.drive = net("drive");
    this.gate = net("gate");
    this.reset = net("reset");
    this.gain = data.gain === null ? 1 : data.gain;
    this.leak = data.leak;
  }
  /* How far F is away (without the leak: F itself), and the rates at which it is approached. */
  parts(state, input) {
    let driven = state;
    if (this.reset) { const r = this.reset.apply(state, input); driven = state.map((h, i) => h * r[i]); }
    const away = this.drive.apply(driven, input);
    for (let i = 0; i < away.length; i++) away[i] = this.gain * away[i] - (this.leak ? state[i] : 0);
    return {away, gate: this.gate ? this.gate.apply(state, input) : new Float64Array(away.length).fill(1)};
  }
  velocity(state, input) {
    const {away, gate} = this.parts(state, input);
    return away.map((v, i) => gate[i] * v);
  }
};

/* from + length * the weighted sum of the slopes. */
gnode.add = (from, length, weights, slopes) =>
  from.map((h, i) => h + length * weights.reduce((sum, weight, k) => sum + weight * slopes[k][i], 0));
/* The state after a step, in units of tau: the same rules as gnode.integrate. */
gnode.rules = {
  "euler": (field, h, x, step) => gnode.add(h, step, [1], [field.velocity(h, x)]),
  "exponential-euler": (field, h, x, step) => {
    const {away, gate} = field.parts(h, x);
    return h.map((v, i) => v - Math.expm1(-gate[i] * step) * away[i]);
  },
  "rk4": (field, h, x, step) => {
    const slopes = [field.velocity(h, x)];
    for (const share of [1 / 2, 1 / 2, 1]) {
      slopes.push(field.velocity(gnode.add(h, share * step, [1], slopes.slice(-1)), x));
    }
    return gnode.add(h, step / 6, [1, 2, 2, 1], slopes);
  },
};
gnode.tableau = [
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
];
/* The difference of the solutions of order five and four. */
gnode.embedded = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40];

gnode.Dynamics = class {
  constructor(data) {
    this.field = new gnode.Field(data.field);
    this.size = data.stateSize;
    this.alpha = data.dt / data.tau;
    this.rule = gnode.rules[data.integrator];  // none where a flow was trained: its map is the flow over a bin
  }
  /* The state one bin later. mode: "map", as it was trained; or "flow", as the differential equation has it. */
  step(state, input, mode) {
    const rule = mode === "map" && this.rule;
    return rule ? rule(this.field, state, input, this.alpha) : this.flow(state, input);
  }
  /* Runge-Kutta steps of order five whose lengths keep the error of each below `tolerance` (Dormand and Prince, 1980):
     fields with kinks or layer normalisation need short steps in places. At most 2000 steps a bin. */
  flow(state, input, tolerance = 1e-7) {
    let left = this.alpha, first = this.field.velocity(state, input);
    this.stride = Math.min(this.stride || left / 4, this.alpha);
    for (let count = 0; left > 1e-12 * this.alpha && count < 2000; count++) {
      const length = Math.min(this.stride, left), slopes = [first];
      let next;
      for (const row of gnode.tableau) {
        next = gnode.add(state, length, row, slopes);
        slopes.push(this.field.velocity(next, input));
      }
      const wrong = Math.max(...gnode.add(new Array(this.size).fill(0), length, gnode.embedded, slopes).map(Math.abs));
      const scale = tolerance * (1 + Math.max(...state.map(Math.abs)));
      const shortest = length <= this.alpha / 2000;
      if (wrong <= scale || shortest || !Number.isFinite(wrong)) { state = next; first = slopes[6]; left -= length; }
      const factor = 0.9 * (scale / Math.max(wrong, 1e-30)) ** 0.2;
      if (length === this.stride || factor < 1) {
        this.stride = Math.min(Math.max(length * Math.min(Math.max(factor || 0.2, 0.2), 4), this.alpha / 2000), this.alpha);
      }
    }
    return state;
  }
  /* States after each of the inputs. */
  trajectory(state, inputs, mode) {
    return inputs.map(input => state = this.step(Array.from(state), input, mode));
  }
  /* df_i / dh_j of the field, or of another function of the state, by central differences. */
  jacobian(state, input, f = h => this.field.velocity(h, input)) {
    const n = this.size, columns = [];
    for (let j = 0; j < n; j++) {
      const step = 1e-5 * (1 + Math.abs(state[j]));
      const up = Array.from(state), down = Array.from(state);
      up[j] += step; down[j] -= step;
      const a = f(up), b = f(down);
      columns.push(a.map((v, i) => (v - b[i]) / (2 * step)));
    }
    return Array.from({length: n}, (_, i) => columns.map(column => column[i]));
  }
  /* Zeros of the field from the starts: Newton's method with steps halved until they help; equal ends are merged. */
  fixedPoints(starts, input, merge) {
    const found = [];
    const norm = v => Math.hypot(...v);
    for (const start of starts) {
      let h = Array.from(start), f = this.field.velocity(h, input), good = false;
      for (let iteration = 0; iteration < 30; iteration++) {
        const move = gnode.solve(this.jacobian(h, input), Array.from(f, v => -v));
        if (!move) break;
        let share = 1, next, there;
        do {
          next = h.map((v, i) => v + share * move[i]);
          there = this.field.velocity(next, input);
          share /= 2;
        } while (norm(there) > norm(f) && share > 1e-3);
        if (norm(there) > norm(f) && norm(f) > 1e-9) break;
        const moved = norm(next.map((v, i) => v - h[i]));
        h = next; f = there;
        if (norm(f) < 1e-8 && moved < 1e-5) { good = true; break; }
      }
      if (good && !found.some(p => norm(p.point.map((v, i) => v - h[i])) < merge)) {
        found.push({point: h, ...this.stability(h, input)});
      }
    }
    return found;
  }
  stability(state, input) {
    const rates = gnode.eigenvalues(this.jacobian(state, input)).map(([re]) => re);
    const growths = () => gnode.eigenvalues(this.jacobian(state, input, h => this.rule(this.field, h, input, this.alpha)))
      .map(([re, im]) => Math.hypot(re, im) - 1);
    const name = grow => {
      const up = grow.filter(g => g > 0).length;
      return up === 0 ? "stable" : up === grow.length ? "unstable" : "saddle";
    };
    return {flow: name(rates), map: name(this.rule ? growths() : rates)};
  }
};

/* x with A x = b by elimination with pivots; null where A is singular. */
gnode.solve = (a, b) => {
  const n = b.length, m = a.map((row, i) => [...row, b[i]]);
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(m[r][c]) > Math.abs(m[pivot][c])) pivot = r;
    if (!(Math.abs(m[pivot][c]) > 1e-14)) return null;
    [m[c], m[pivot]] = [m[pivot], m[c]];
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const share = m[r][c] / m[c][c];
      for (let k = c; k <= n; k++) m[r][k] -= share * m[c][k];
    }
  }
  return m.map((row, i) => row[n] / row[i]);
};

/* Eigenvalues [re, im] of a small matrix: characteristic polynomial (Faddeev and LeVerrier), roots (Durand and Kerner). */
gnode.eigenvalues = a => {
  const n = a.length, coefficients = [1];
  let m = a.map(row => row.map(() => 0));
  for (let k = 1; k <= n; k++) {
    const previous = m.map((row, i) => row.map((v, j) => v + (i === j ? coefficients[k - 1] : 0)));
    m = a.map(row => row.map((_, j) => row.reduce((sum, v, l) => sum + v * previous[l][j], 0)));
    coefficients.push(-m.reduce((sum, row, i) => sum + row[i], 0) / k);
  }
  const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
  const over = ([a, b], [c, d]) => { const s = c * c + d * d; return [(a * c + b * d) / s, (b * c - a * d) / s]; };
  const scale = 1 + Math.max(...coefficients.map(Math.abs));
  let roots = Array.from({length: n}, (_, i) => [scale * Math.cos(0.4 + 2.1 * i), scale * Math.sin(0.4 + 2.1 * i)]);
  for (let round = 0; round < 200; round++) {
    let change = 0;
    roots = roots.map((root, i) => {
      const value = coefficients.slice(1).reduce((sum, c) => { const p = times(sum, root); return [p[0] + c, p[1]]; }, [1, 0]);
      const apart = roots.reduce((p, other, j) => j === i ? p : times(p, [root[0] - other[0], root[1] - other[1]]), [1, 0]);
      if (apart[0] === 0 && apart[1] === 0) return [root[0] + 1e-9, root[1]];
      const step = over(value, apart);
      change = Math.max(change, Math.hypot(...step));
      return [root[0] - step[0], root[1] - step[1]];
    });
    if (change < 1e-13 * scale) break;
  }
  return roots;
};

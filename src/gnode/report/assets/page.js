/* Draws the page's figures when they come into view, in the colours of the page, again when those change. */
"use strict";
(() => {
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const config = {responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false};

  const themed = (layout, width) => {
    const ink = css("--ink-soft"), grid = css("--grid"), beyond = (layout.meta || {}).beyondWidth;
    const axis = a => ({gridcolor: grid, linecolor: grid, zerolinecolor: grid, ...a});
    const out = {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: {family: css("--font"), size: 12.5, color: ink},
      hoverlabel: {font: {family: css("--font"), size: 13}},
    };
    if (beyond !== undefined) out.height = Math.min(layout.height, width + beyond);
    for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) out[key] = axis(layout[key]);
    if (layout.scene) {
      out.scene = {...layout.scene};
      for (const key of ["xaxis", "yaxis", "zaxis"]) {
        out.scene[key] = {...axis(layout.scene[key] || {}), backgroundcolor: "rgba(0,0,0,0)", color: ink, showspikes: false};
      }
    }
    delete out.sliders;  // see `controls`
    delete out.updatemenus;
    return out;
  };

  /* Text in cells: plotly's own choice of black or white does not know what shines through a cell. */
  const legible = trace => trace.type === "heatmap" && trace.texttemplate
    ? {...trace, textfont: {...trace.textfont, color: css("--ink")}} : trace;

  const element = (name, attributes, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  };
  /* Plotly's labels as text. Nothing is parsed as HTML: what users call their classes stays words. */
  const SIGNS = {lt: "<", gt: ">", amp: "&", quot: '"', "#x27": "'", "#39": "'"};
  const words = text => text.replace(/<\/?(b|i|br|sub|sup|span)( [^>]*)?\/?>/g, " ").replace(/&([a-z]+|#\w+);/g, (all, name) => SIGNS[name] ?? all).trim();

  /* Choices of a figure as elements of HTML: plotly's own cannot be reached by keyboard. */
  const act = (box, step) => (box.dataset.drawn ? Promise.resolve() : draw(box)).then(() => Plotly[step.method](box, ...structuredClone(step.args)));
  const beside = (box, what, at) => {  /* what is chosen for one run is chosen for those beside it */
    const row = box.closest(".row");
    for (const one of row ? row.querySelectorAll(".figure") : [box]) if (one[what]) one[what](at);
  };
  const controls = (box, layout) => {
    const row = element("div", {class: "controls", role: "group", "aria-label": "What the figure shows"});
    for (const menu of layout.updatemenus || []) {
      if (menu.type === "dropdown") {
        const choice = element("select", {"aria-label": "Shown"}, ...menu.buttons.map(step => element("option", {}, words(step.label))));
        choice.onchange = () => act(box, menu.buttons[choice.selectedIndex]);
        row.append(choice);
        continue;
      }
      const made = menu.buttons.map((step, at) => {
        const button = element("button", {type: "button"}, words(step.label));
        if (step.method === "restyle") button.setAttribute("aria-pressed", at === (menu.active || 0));
        button.onclick = () => beside(box, "press", at);
        return button;
      });
      box.press = at => {
        if (!made[at]) return;
        if (menu.buttons[at].method === "restyle") made.forEach((other, number) => other.setAttribute("aria-pressed", number === at));
        act(box, menu.buttons[at]);
      };
      row.append(...made);
    }
    for (const slider of layout.sliders || []) {
      const prefix = slider.currentvalue.prefix, steps = slider.steps, active = slider.active || 0;
      const input = element("input", {type: "range", min: 0, max: steps.length - 1, step: 1, value: active, "aria-label": prefix.trim().replace(/:$/, "")});
      const said = element("output", {});
      const say = () => {
        said.textContent = prefix + steps[input.value].label;
        input.setAttribute("aria-valuetext", said.textContent);
      };
      input.oninput = () => beside(box, "slide", input.value);
      box.slide = at => { input.value = at; say(); act(box, steps[input.value]); };
      box.follow = name => { input.value = steps.findIndex(step => step.label === name); say(); };
      say();
      row.append(element("label", {}, said, input));
    }
    if (row.children.length) box.before(row);
  };

  /* Names in the legend are switches, by keyboard too. */
  const switches = box => {
    const focused = box.contains(document.activeElement) && document.activeElement.dataset.trace;
    for (const item of box.querySelectorAll(".legend .traces")) {
      const trace = (item.__data__ || [{}])[0].trace;
      if (!trace) continue;
      item.dataset.trace = trace.index;
      for (const [key, value] of Object.entries({tabindex: 0, role: "switch", "aria-checked": trace.visible === true, "aria-label": item.textContent})) item.setAttribute(key, value);
      item.onkeydown = event => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        Plotly.restyle(box, {visible: trace.visible === true ? "legendonly" : true}, [trace.index]);
      };
      if (focused === item.dataset.trace) item.focus();
    }
  };

  /* Arrows turn what is in three dimensions. */
  const turning = box => {
    box.tabIndex = 0;
    box.addEventListener("keydown", event => {
      const turn = {ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, .1], ArrowDown: [0, -.1]}[event.key];
      if (!turn || event.target !== box) return;
      event.preventDefault();
      const {x, y, z} = box._fullLayout.scene._scene.getCamera().eye, [c, s] = [Math.cos(turn[0]), Math.sin(turn[0])];
      Plotly.relayout(box, {"scene.camera.eye": {x: c * x - s * y, y: s * x + c * y, z: z + turn[1]}});
    });
  };

  /* The numbers of a figure, a row a point, from what the page holds. */
  const quoted = value => value === null || value === undefined ? "" : /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  const csv = figure => {
    const rows = [["frame", "name", "x", "y", "z", "text"]];
    const add = (frame, trace) => {
      const name = words(trace.name || "");
      const grid = Array.isArray((trace.z || [])[0]);
      if (grid) trace.z.forEach((line, j) => line.forEach((z, i) => rows.push([frame, name, (trace.x || [])[i] ?? i, (trace.y || [])[j] ?? j, z, ""])));
      else (trace.x || trace.y || []).forEach((_, i) => rows.push([frame, name, (trace.x || [])[i], (trace.y || [])[i], (trace.z || [])[i], Array.isArray(trace.text) ? words(String(trace.text[i])) : ""]));
    };
    for (const trace of figure.data) add("", trace);
    for (const frame of figure.frames || []) frame.data.forEach((part, at) => add(frame.name, {...figure.data[frame.traces[at]], ...part}));
    return rows.map(row => row.map(quoted).join(",")).join("\n") + "\n";
  };
  const offer = box => {
    const title = box.getAttribute("aria-label").split(". ")[0];
    const button = element("button", {type: "button", class: "download", "aria-label": `Numbers of: ${title}, as CSV`}, "CSV");
    button.onclick = () => {
      const link = element("a", {download: `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.csv`});
      link.href = URL.createObjectURL(new Blob([csv(box.figure)], {type: "text/csv"}));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    };
    box.after(button);
  };

  const draw = box => {
    const figure = box.figure;
    const layout = themed(figure.layout, box.clientWidth);
    box.style.minHeight = `${layout.height}px`;
    return Plotly.react(box, figure.data.map(legible), layout, config).then(() => {
      if (box.listening) return;
      box.listening = true;
      box.on("plotly_afterplot", () => switches(box));
      box.on("plotly_animatingframe", event => box.follow && box.follow(event.name));
      switches(box);
      return figure.frames && Plotly.addFrames(box, figure.frames);
    }).then(() => { box.dataset.drawn = "yes"; });
  };

  /* Long lists that figures have in common stand in the page once; each figure gets its own. */
  const lists = JSON.parse(document.getElementById("shared").textContent);
  const whole = (key, value) => value && value.shared !== undefined ? structuredClone(lists[value.shared]) : value;

  const boxes = [...document.querySelectorAll(".figure")];
  for (const box of boxes) {
    const source = box.querySelector("script");
    box.figure = JSON.parse(source.textContent, whole);
    source.remove();
    controls(box, box.figure.layout);
    if (box.figure.layout.scene) turning(box);
    offer(box);
  }
  const portraits = [...document.querySelectorAll(".portrait")];
  const show = box => box.classList.contains("portrait") ? new gnode.Portrait(box) : draw(box);
  const seen = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (entry.isIntersecting && !entry.target.dataset.begun) {
        entry.target.dataset.begun = "yes";
        seen.unobserve(entry.target);
        show(entry.target);
      }
    }
  }, {rootMargin: "600px"});
  for (const box of [...boxes, ...portraits]) seen.observe(box);

  /* What scrolls is reached by keyboard. */
  const scrolling = () => {
    for (const box of document.querySelectorAll(".scroll, .tall")) {
      if (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  scrolling();

  /* Paper shows everything, at the width of the paper. */
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const box of boxes) { box.dataset.begun = "yes"; draw(box); }
    for (const box of portraits) if (!box.gnodePortrait) { box.dataset.begun = "yes"; show(box); }
  });
  addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); again(); });

  const again = () => {
    for (const box of boxes) if (box.dataset.drawn) draw(box);
    for (const box of portraits) if (box.gnodePortrait) box.gnodePortrait.redraw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; scrolling(); again(); } });
})();

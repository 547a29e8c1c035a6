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
    for (const key of ["sliders", "updatemenus"]) {
      if (layout[key]) out[key] = layout[key].map(item => ({...item, bordercolor: grid, bgcolor: css("--raised"), activecolor: css("--grid")}));
    }
    return out;
  };

  /* Text in cells: plotly's own choice of black or white does not know what shines through a cell. */
  const legible = trace => trace.type === "heatmap" && trace.texttemplate
    ? {...trace, textfont: {...trace.textfont, color: css("--ink")}} : trace;

  const draw = box => {
    const figure = box.figure;
    const layout = themed(figure.layout, box.clientWidth);
    box.style.minHeight = `${layout.height}px`;
    return Plotly.react(box, figure.data.map(legible), layout, config).then(() => {
      if (figure.frames && !box.framed) { box.framed = true; return Plotly.addFrames(box, figure.frames); }
    }).then(() => { box.dataset.drawn = "yes"; });
  };

  const boxes = [...document.querySelectorAll(".figure")];
  for (const box of boxes) {
    const source = box.querySelector("script");
    box.figure = JSON.parse(source.textContent);
    source.remove();
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

  const again = () => {
    for (const box of boxes) if (box.dataset.drawn) draw(box);
    for (const box of portraits) if (box.gnodePortrait) box.gnodePortrait.redraw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; again(); } });
})();

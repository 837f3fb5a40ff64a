/* Draws the stacked bars of the usage page from the JSON beside each figure. The same numbers are in
   the table under it, so a chart is hidden from screen readers. */
"use strict";

(() => {
  const language = document.documentElement.lang || "en";
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  const short = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
  const colours = ["#0b6a6a", "#e0a11b", "#4c72b0", "#c8553d", "#7a9e4b", "#8b5fa8", "#2f9ec4",
    "#b0838c", "#8a949e"];
  const font = window.getComputedStyle(document.body).fontFamily;

  function option(data, upright) {
    const names = {
      type: "category", data: data.labels, inverse: !upright,
      axisTick: { show: false }, axisLine: { lineStyle: { color: "#b9c2cc" } },
      axisLabel: { color: "#566270", hideOverlap: true, width: upright ? undefined : 130, overflow: "truncate" },
    };
    const amounts = {
      type: "value", splitNumber: 4, splitLine: { lineStyle: { color: "#e9edf1" } },
      axisLabel: { color: "#566270", formatter: (value) => short.format(value), hideOverlap: true },
    };
    return {
      animation: false,
      color: colours,
      textStyle: { fontFamily: font },
      grid: { left: 4, right: 16, top: 12, bottom: 44, containLabel: true },
      legend: { type: "scroll", bottom: 0, itemWidth: 12, itemHeight: 12, textStyle: { color: "#17212b" } },
      // Rich text is drawn on the canvas: a tooltip of HTML would need inline styles.
      tooltip: {
        trigger: "axis", renderMode: "richText", confine: true, axisPointer: { type: "shadow" },
        valueFormatter: (value) => `${number.format(value)} ${data.unit}`,
      },
      xAxis: upright ? names : amounts,
      yAxis: upright ? amounts : names,
      series: data.series.map((row) => ({
        name: row.name, type: "bar", stack: "all", data: row.data, barMaxWidth: upright ? 36 : 22,
      })),
    };
  }

  document.querySelectorAll("[data-chart]").forEach((place) => {
    const data = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    const upright = place.dataset.direction === "up";
    if (!upright) place.style.height = `${Math.max(7, 4.5 + 2.2 * data.labels.length)}rem`;
    const chart = window.echarts.init(place, null, { renderer: "canvas" });
    chart.setOption(option(data, upright));
    new ResizeObserver(() => chart.resize()).observe(place);
  });
})();

// Small repairs of the theme's markup; nothing here is needed to read a page.
(() => {
  "use strict";

  // The visible text of these buttons is their name, the theme's aria-label says something else; and a list of
  // bibliography entries is no list of list items.
  const repairRoles = () => {
    for (const button of document.querySelectorAll(".search-button-field, .theme-switch-button")) button.removeAttribute("aria-label");
    for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
    for (const summary of document.querySelectorAll("summary[aria-label]")) summary.removeAttribute("aria-label");
  };

  // What scrolls sideways must be reachable by keyboard, and only then be a tab stop.
  const SCROLLERS = "div.highlight pre, .cell_output pre, div.math, mjx-container, .pst-scrollable-table-container";
  const reachScrollers = () => {
    for (const box of document.querySelectorAll(SCROLLERS)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      if (scrolls) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    }
  };

  // TeX source is kept invisible until it is typeset; should MathJax not come, it is shown.
  const root = document.documentElement;
  root.classList.add("awaiting-maths");
  const showMaths = () => root.classList.remove("awaiting-maths");
  setTimeout(showMaths, 4000);

  // A browser may break a line between an inline formula and the comma after it; as part of the formula it stays.
  const joinPunctuation = () => {
    for (const formula of document.querySelectorAll("span.math")) {
      const [before, after] = [formula.previousSibling, formula.nextSibling];
      const close = after?.nodeType === Node.TEXT_NODE && after.data.match(/^[,.;:!?)\]]+/);
      if (close) {
        after.data = after.data.slice(close[0].length);
        formula.textContent = formula.textContent.replace(/\\\)$/, `\\text{${close[0]}}\\)`);
      }
      const open = before?.nodeType === Node.TEXT_NODE && before.data.match(/[([]+$/);
      if (open) {
        before.data = before.data.slice(0, -open[0].length);
        formula.textContent = formula.textContent.replace(/^\\\(/, `\\(\\text{${open[0]}}`);
      }
    }
  };

  // MathJax breaks a displayed formula for the width that it finds: for another width it must do so again.
  let width = innerWidth;
  const breakFormulas = () => {
    const maths = window.MathJax?.startup?.document;
    if (!maths || width === innerWidth) return;
    width = innerWidth;
    for (const item of maths.math) {
      if (!item.display) continue; // in a line the browser breaks
      const { em, ex, containerWidth, scale } = maths.outputJax.getMetricsFor(item.typesetRoot.parentNode, true);
      item.setMetrics(em, ex, containerWidth, scale);
      item.rerender(maths);
    }
  };

  // Browsers that do not know ::details-content print what is folded only where it stands open.
  const folded = new Set();
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details:not([open])")) folded.add(fold);
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
    folded.clear();
  });

  document.addEventListener("DOMContentLoaded", () => {
    repairRoles();
    joinPunctuation();
    reachScrollers();
    Promise.resolve(window.MathJax?.startup?.promise).catch(() => {}).then(() => {
      showMaths();
      reachScrollers();
    });
    document.addEventListener("change", reachScrollers); // another panel of a live figure is shown
    let timer;
    window.addEventListener("resize", () => {
      clearTimeout(timer);
      timer = setTimeout(() => { breakFormulas(); reachScrollers(); }, 150);
    });
  });
})();

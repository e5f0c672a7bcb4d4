// Run in the page by test_site.py: what is cut off at its right edge without a sign, as a list of sentences. What is
// wider than its box must scroll and show that it does; where `narrow`, outputs must fit. Folds are opened.
(narrow) => {
  const problems = [];
  const article = document.querySelector("article");
  const folds = [...article.querySelectorAll("details:not([open])")];
  for (const fold of folds) fold.open = true;

  const style = (box) => getComputedStyle(box);
  const wider = (box) => box.scrollWidth > box.clientWidth + 1;
  const scrolls = (box) => /auto|scroll/.test(style(box).overflowX);
  // Shadows that stay, under covers that move with the content.
  const shows = (box) => /local/.test(style(box).backgroundAttachment) && /scroll/.test(style(box).backgroundAttachment) &&
    /gradient/.test(style(box).backgroundImage);
  const name = (box) => `${box.tagName.toLowerCase()} of ${box.closest("section")?.id}: ${box.textContent.trim().slice(0, 60)}`;

  const boxesAround = (node) => {
    const boxes = [];
    for (let box = node; box !== article; box = box.parentElement) if (style(box).display !== "inline") boxes.push(box);
    return [...boxes, article];
  };

  const paper = article.getBoundingClientRect().right - parseFloat(style(article).paddingRight);
  const cut = new Set();
  for (const node of article.querySelectorAll("mjx-container, pre, table, img, svg, code")) {
    if (node.closest(".headerlink, button")) continue;
    const boxes = boxesAround(node);
    const scroller = boxes.find(scrolls);
    for (const box of boxes) if (wider(box) && /hidden|clip/.test(style(box).overflowX)) cut.add(box);
    if (scroller && wider(scroller) && !shows(scroller)) problems.push(`scrolls without a sign: ${name(scroller)}`);
    // Code may run to the edge of a phone's screen; all else ends with the column.
    const edge = node.matches("pre, .cell_output *") ? innerWidth : paper;
    const right = Math.max(0, ...[...node.getClientRects()].map((rect) => rect.right));
    if (!scroller && right > edge + 1) problems.push(`runs out of the column by ${Math.round(right - edge)} px: ${name(node)}`);
    if (node.matches("mjx-container:not([display])") && !node.closest("table") && scroller && wider(scroller))
      problems.push(`a formula in a line is wider than the column: ${name(node)}`);
    if (narrow && node.matches(".cell_output pre") && wider(node)) {
      const longest = Math.max(...node.textContent.split("\n").map((line) => line.length));
      problems.push(`${longest} characters do not fit: ${name(node)}`);
    }
  }
  for (const box of cut) problems.push(`hides ${box.scrollWidth - box.clientWidth} px: ${name(box)}`);
  for (const fold of folds) fold.open = false;
  return [...new Set(problems)];
}

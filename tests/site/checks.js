// Run in the page by test_site.py: what is wrong with it, as a list of sentences. `audit` is "page" for all of axe's
// rules, "frame" for the contrast of what stands around the article, null for none of them.
async (audit) => {
  const problems = [];
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const short = (node) => (node.outerHTML || node.data || "").replace(/\s+/g, " ").slice(0, 120);

  for (const formula of all(".math")) {
    if (all("mjx-container", formula).length !== 1) problems.push(`formula not typeset: ${short(formula)}`);
  }
  if (all("mjx-container").length !== all(".math").length) problems.push("formulas and typeset formulas differ in number");
  for (const error of all("mjx-merror, [data-mjx-error]")) problems.push(`error in a formula: ${short(error)}`);

  const walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest("code, pre, script, style, mjx-container, .math")) continue;
    if (/\$|\\[(\[)\]]|\\begin|\{(numref|eq|cite|doc|term|prf:ref)\}/.test(node.data)) problems.push(`raw markup: ${short(node)}`);
  }

  for (const image of document.images) {
    if (!image.complete || image.naturalWidth === 0) problems.push(`broken image: ${image.src}`);
    if (!image.hasAttribute("alt")) problems.push(`no alt text: ${image.src}`);
  }
  for (const image of all("article .cell_output img, article figure img")) {
    const caption = image.closest("figure")?.querySelector("figcaption");
    if (!image.alt.trim() || /\.png$|^_images/.test(image.alt)) problems.push(`figure without alt text: ${image.src}`);
    if (!/^Fig\. \d+/.test(caption?.textContent.trim() ?? "")) problems.push(`figure without a numbered caption: ${image.src}`);
  }

  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) problems.push(`the page scrolls sideways by ${wide} px`);

  for (const box of all("article div[tabindex='0'], article pre[tabindex='0'], mjx-container[tabindex='0']")) {
    if (box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight) problems.push(`a tab stop that does not scroll: ${short(box)}`);
  }

  if (audit) {
    const article = document.querySelector("article");
    const place = document.createComment("");
    if (audit === "frame") article.replaceWith(place); // axe's time goes with the number of nodes, excluded ones too
    const options = { resultTypes: ["violations"], ...(audit === "frame" && { runOnly: ["color-contrast"] }) };
    // The glyphs of a formula are hidden from assistive technology, and many; its MathML is checked.
    const { violations } = await axe.run({ exclude: [["mjx-math"]] }, options).finally(() => place.replaceWith(article));
    for (const { id, impact, nodes } of violations) {
      if (impact === "serious" || impact === "critical") problems.push(`axe ${id}, ${nodes.length} times: ${nodes[0].html.slice(0, 160)}`);
    }
  }
  return problems;
}

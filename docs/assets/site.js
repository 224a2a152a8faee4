// What the theme leaves out for keyboards and screen readers.
document$.subscribe(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  // Wide tables and long lines of code scroll on their own; the keyboard must reach them to scroll.
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
  // Each block of code gets its buttons when it is first seen; they are told apart by number.
  const name = () =>
    document.querySelectorAll(".md-code__nav").forEach((nav, index) => {
      nav.setAttribute("aria-label", `Code ${index + 1}`);
    });
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
});

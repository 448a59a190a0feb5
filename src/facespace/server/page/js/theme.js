// Sets the colour scheme that was chosen on an earlier visit, before anything is drawn.
(() => {
  try {
    const kept = localStorage.getItem("facespace.theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch {
    // Storage is blocked: the system's scheme is used.
  }
})();

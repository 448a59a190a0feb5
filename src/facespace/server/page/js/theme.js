// Before anything is drawn: the scheme that was chosen here earlier, where one was.
(() => {
  try {
    const kept = localStorage.getItem("facespace.theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch {
    // Storage may be forbidden; the system's scheme will do.
  }
})();

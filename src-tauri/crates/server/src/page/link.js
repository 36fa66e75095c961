"use strict";
{
  const secure = location.protocol === "https:";
  const key = location.hash.slice(1);
  const room = location.pathname.split("/")[2];
  const page = location.href;
  // The key is in no history and no bookmark of this page.
  history.replaceState(null, "", location.pathname);

  const show = (element) => { element.hidden = false; };
  if (/^[A-Za-z0-9_-]{22}$/.test(key)) {
    const open = document.getElementById("open");
    open.href = `parlor://${location.host}/${room}${secure ? "" : "?ws"}#${key}`;
    show(open);
    if (secure) {
      document.querySelectorAll(".secure").forEach(show);
      document.getElementById("copy").addEventListener("click", async () => {
        const copied = document.getElementById("copied");
        try {
          await navigator.clipboard.writeText(page);
          copied.textContent = "Copied";
        } catch {
          copied.textContent = "The browser does not allow copying here";
        }
      });
    }
    // Not sooner: a page that is still loading would seem to load for as long as the browser asks its person.
    addEventListener("load", () => location.assign(open.href));
  } else {
    show(document.getElementById("cut"));
  }
}

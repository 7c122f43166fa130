// Keeps the phone up to date: fetches the page anew and takes over what changed.
"use strict";
(() => {
  const pause = 1000;

  const toEnd = (texts) => { texts.scrollTop = texts.scrollHeight; };

  function takeOver(fresh) {
    const old = document.getElementById("texts");
    const now = fresh.getElementById("texts");
    if (now && old.innerHTML !== now.innerHTML) {
      const atEnd = old.scrollHeight - old.scrollTop - old.clientHeight < 40;
      const known = new Set([...old.querySelectorAll(".bubble")].map((b) => b.id));
      old.replaceChildren(...now.childNodes);
      for (const b of old.querySelectorAll(".bubble")) {
        if (!known.has(b.id)) b.classList.add("new");
      }
      // Without the mark again, so that the next comparison finds equal text equal.
      setTimeout(() => old.querySelectorAll(".new").forEach((b) => b.classList.remove("new")), 400);
      if (atEnd) toEnd(old);
    }
    const phones = document.getElementById("phones");
    const list = fresh.getElementById("phones");
    if (list && phones.innerHTML !== list.innerHTML && !phones.contains(document.activeElement)) {
      phones.replaceChildren(...list.childNodes);
    }
    // The reply form comes with the first text, and the phone with the first number.
    // Somebody who is typing is left alone.
    const typing = document.activeElement instanceof HTMLInputElement && document.activeElement.value !== "";
    if (!document.getElementById("reply") && fresh.getElementById("reply") && !typing) location.reload();
  }

  // The address without a number means whoever heard last; what is shown is one
  // phone, and stays that phone.
  function address() {
    const url = new URL(location.href);
    const phone = document.getElementById("texts").dataset.phone;
    if (phone) url.searchParams.set("phone", phone);
    return url;
  }

  async function look() {
    try {
      if (!document.hidden) {
        const answer = await fetch(address(), { headers: { Accept: "text/html" }, cache: "no-store" });
        if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
    } catch {
      // The server is being restarted: the next look will tell.
    }
    setTimeout(look, pause);
  }

  const texts = document.getElementById("texts");
  toEnd(texts);
  setTimeout(look, pause);
})();

// Rappel's only script. Every page works without it; with it, fragments refresh
// themselves, the phone beside the editor follows the typing, and dangerous
// buttons ask once more.
(() => {
  "use strict";

  // data-refresh="/url" data-every="5": replaces the element's content with the
  // server's fragment while the page is in view.
  for (const el of document.querySelectorAll("[data-refresh]")) {
    const every = Math.max(2, Number(el.dataset.every) || 5) * 1000;
    const again = async () => {
      if (document.visibilityState === "visible" && !el.contains(document.activeElement)) {
        try {
          const answer = await fetch(el.dataset.refresh, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
          if (answer.redirected || answer.status === 401) { location.reload(); return; }
          if (answer.ok) {
            const html = await answer.text();
            if (html !== el.innerHTML) el.innerHTML = html;
          }
        } catch { /* offline for a moment: the next round tries again */ }
      }
      setTimeout(again, every);
    };
    setTimeout(again, every);
  }

  // A row of choices that is wider than the screen begins where the current one is.
  for (const on of document.querySelectorAll(".counts [aria-current]")) {
    const row = on.parentElement;
    row.scrollLeft = on.offsetLeft - row.offsetLeft - (row.clientWidth - on.offsetWidth) / 2;
  }

  // form[data-preview="/url"]: posts the form while one types and puts the
  // fragment into the element named by data-preview-into.
  for (const form of document.querySelectorAll("form[data-preview]")) {
    const into = document.getElementById(form.dataset.previewInto);
    let timer, inFlight;
    const show = () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        inFlight?.abort();
        inFlight = new AbortController();
        try {
          const answer = await fetch(form.dataset.preview, {
            method: "POST", body: new URLSearchParams(new FormData(form)),
            headers: { "X-Fragment": "1" }, credentials: "same-origin", signal: inFlight.signal,
          });
          if (answer.ok) into.innerHTML = await answer.text();
        } catch (e) { if (e.name !== "AbortError") into.dataset.stale = "1"; }
      }, 120);
    };
    form.addEventListener("input", show);
    form.addEventListener("change", show);
  }

  // button[data-insert="{date}"]: puts a placeholder where the cursor stands in
  // the text area named by data-into (or the last one used in the form).
  let lastText;
  document.addEventListener("focusin", (e) => { if (e.target.matches("textarea")) lastText = e.target; });
  document.addEventListener("click", (e) => {
    const button = e.target.closest("button[data-insert]");
    if (!button) return;
    const area = document.getElementById(button.dataset.into || "") || lastText || button.form?.querySelector("textarea");
    if (!area) return;
    area.setRangeText(button.dataset.insert, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // [data-confirm="question"]: asks before the form goes.
  document.addEventListener("submit", (e) => {
    const question = e.submitter?.dataset.confirm || e.target.dataset.confirm;
    if (question && !window.confirm(question)) e.preventDefault();
  });

  // [data-autosubmit]: a filter that applies itself.
  document.addEventListener("change", (e) => { if (e.target.matches("[data-autosubmit]")) e.target.form.requestSubmit(); });

  // [data-passkey="get|create"]: asks the device for a passkey, or to make one.
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const post = async (url, body) => {
    const form = body instanceof URLSearchParams;
    const answer = await fetch(url, { method: "POST", body: form ? body : body && JSON.stringify(body), credentials: "same-origin",
      headers: { "Content-Type": form ? "application/x-www-form-urlencoded" : "application/json", "X-Fragment": "1" } });
    if (answer.status === 401) { location.reload(); return {}; }
    return answer.headers.get("Content-Type") === "application/json" ? answer.json() : { problem: answer.statusText };
  };
  for (const box of document.querySelectorAll("[data-passkey]")) {
    if (!window.PublicKeyCredential || /^[\d.]+$|:/.test(location.hostname)) continue; // bound to names, never to numbers
    box.hidden = false;
    const make = box.dataset.passkey === "create", base = make ? "/profile/passkeys" : "/login/passkey";
    const button = box.querySelector("button"), trouble = box.querySelector("[role=alert]");
    button.addEventListener("click", async () => {
      button.disabled = true;
      trouble.hidden = true;
      try {
        const { publicKey, problem } = await post(base + "/begin", make ? new URLSearchParams({ password: box.querySelector("[type=password]").value }) : undefined);
        if (!publicKey) throw new Error(problem);
        publicKey.challenge = bytes(publicKey.challenge);
        for (const c of [...(publicKey.allowCredentials || []), ...(publicKey.excludeCredentials || [])]) c.id = bytes(c.id);
        if (make) publicKey.user.id = bytes(publicKey.user.id);
        const made = await (make ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
        const r = made.response, response = { clientDataJSON: text(r.clientDataJSON) };
        for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) if (r[part]) response[part] = text(r[part]);
        if (r.getTransports) response.transports = r.getTransports();
        const about = new URLSearchParams({ next: box.dataset.next || "", name: box.querySelector("input")?.value || "" });
        const done = await post(`${base}?${about}`, { id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: made.getClientExtensionResults() });
        if (!done.next) throw new Error(done.problem);
        location.assign(done.next);
      } catch (e) {
        if (e.name !== "NotAllowedError" && e.name !== "AbortError") { // whoever closes the device's window knows it
          trouble.textContent = e.message;
          trouble.hidden = false;
        }
        button.disabled = false;
      }
    });
  }

  // [data-shows="id" value]: a select that shows the group matching its value.
  const groups = (select) => {
    for (const g of document.querySelectorAll(`[data-shown-by="${select.id}"]`)) {
      g.hidden = !g.dataset.shownFor.split(" ").includes(select.value);
    }
  };
  for (const select of document.querySelectorAll("select[data-shows]")) {
    groups(select);
    select.addEventListener("change", () => groups(select));
  }
})();

// Shows on a page what `moments` decides for the customer on it: one at a time, each once while it is good, whichever of her tabs and
// devices asks first. It talks to the site's own backend, which knows who she is (see backend.js).

/** Between two attempts to report, at first and at most, ms. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 30_000;

/** Begins to show treatments; returns what ends that. */
export function onsite({ url = "/moments", render = fromTemplates } = {}) {
  const by = self();
  /** Treatments that may be shown, in the order in which they were decided. */
  let waiting = [];
  /** The one that is on the page: its id, and what takes it off. */
  let shown;
  /** The one that is asked for. */
  let asked;
  let ended = false;

  const stream = new EventSource(`${url}/stream`);
  stream.addEventListener("treatment", (event) => {
    const treatment = JSON.parse(event.data);
    const isKnown = (it) => it?.id === treatment.id;
    // After a lost connection the list comes again.
    if (!waiting.some(isKnown) && !isKnown(shown) && !isKnown(asked)) {
      waiting.push(treatment);
    }
    next();
  });
  stream.addEventListener("shown", (event) => {
    const { id, by: other } = JSON.parse(event.data);
    if (other !== by) {
      forget(id);
    }
  });
  for (const name of ["dismissed", "withdrawn"]) {
    stream.addEventListener(name, (event) => {
      const { id } = JSON.parse(event.data);
      forget(id);
      close(id);
    });
  }
  // What nobody sees is not shown: another tab may be the one that she looks at.
  document.addEventListener("visibilitychange", next);

  function forget(id) {
    waiting = waiting.filter((it) => it.id !== id);
    if (asked?.id === id) {
      asked.gone = true;
    }
  }

  function close(id) {
    if (shown?.id === id) {
      shown.remove();
      shown = undefined;
      next();
    }
  }

  async function next() {
    if (ended || shown || asked || document.visibilityState !== "visible") {
      return;
    }
    const treatment = waiting.shift();
    if (!treatment) {
      return;
    }
    asked = { id: treatment.id, gone: false };
    const may = await report(treatment, "shown", { by });
    const isGone = asked.gone;
    asked = undefined;
    if (may && !isGone && !ended) {
      const remove = render(treatment, actions(treatment));
      if (remove) {
        shown = { id: treatment.id, remove };
      }
    }
    next();
  }

  function actions(treatment) {
    const { id } = treatment;
    return {
      dismiss() {
        report(treatment, "dismissed");
        close(id);
      },
      click(link) {
        report(treatment, "clicked", link ? { url: link } : {});
      },
      answer(answers) {
        report(treatment, "answered", { answers });
        close(id);
      },
    };
  }

  /** Reports until it is heard; whether it was granted. Whether it may be shown is asked only while it is good. */
  async function report({ id, valid_until }, what, body = {}) {
    const until = what === "shown" ? Date.parse(valid_until) : Infinity;
    for (let pause = RETRY_MS; !ended && Date.now() <= until; pause = Math.min(2 * pause, RETRY_MAX_MS)) {
      try {
        const answer = await fetch(`${url}/${id}/${what}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
          // She may be about to leave the page.
          keepalive: true,
        });
        if (answer.status < 500 && answer.status !== 429) {
          return answer.ok;
        }
      } catch {
        // No connection: the same as no answer.
      }
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    }
    return false;
  }

  return () => {
    ended = true;
    stream.close();
    document.removeEventListener("visibilitychange", next);
    shown?.remove();
  };
}

/** What this tab calls itself: the same after a reload, another in every other tab. */
function self() {
  const key = "moments-onsite";
  const known = sessionStorage.getItem(key);
  if (known) {
    return known;
  }
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem(key, made);
  return made;
}

/**
 * Shows a treatment by the page's `<template data-moments="<name>">`, in a dialog at its end. In the template
 * - `data-text="data.code"` is filled with that of the treatment, as text;
 * - `data-href="data.url"` becomes where a link leads, which is reported when she follows it;
 * - `data-dismiss` closes it, as Escape does;
 * - a `form` answers: each field under its name; a box that is called `consent.email` says whether she may be written to so.
 */
export function fromTemplates(treatment, actions) {
  const template = document.querySelector(`template[data-moments="${CSS.escape(treatment.template)}"]`);
  if (!template) {
    console.warn(`moments: the page has no <template data-moments="${treatment.template}">`);
    return undefined;
  }
  const dialog = document.createElement("dialog");
  dialog.className = "moments";
  dialog.dataset.treatment = treatment.id;
  dialog.append(template.content.cloneNode(true));
  for (const element of dialog.querySelectorAll("[data-text]")) {
    element.textContent = at(treatment, element.dataset.text) ?? "";
  }
  for (const link of dialog.querySelectorAll("[data-href]")) {
    const address = at(treatment, link.dataset.href);
    // Whatever stands in an event is not run.
    if (typeof address === "string" && /^(https?:\/\/|\/(?!\/))/.test(address)) {
      link.href = address;
    }
  }
  const heading = dialog.querySelector("h1, h2, h3");
  if (heading) {
    dialog.setAttribute("aria-label", heading.textContent);
  }
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss]")) {
      actions.dismiss();
    } else if (event.target.closest("a[href]")) {
      actions.click(event.target.closest("a[href]").href);
    }
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      actions.dismiss();
    }
  });
  dialog.addEventListener("submit", (event) => {
    event.preventDefault();
    const answers = {};
    for (const [name, value] of new FormData(event.target)) {
      if (name.startsWith("consent.")) {
        answers.consent = { ...answers.consent, [name.slice("consent.".length)]: true };
      } else if (value !== "") {
        answers[name] = value;
      }
    }
    if (Object.keys(answers).length > 0) {
      actions.answer(answers);
    }
  });
  document.body.append(dialog);
  dialog.show();
  return () => dialog.remove();
}

/** What stands at a path such as `data.code`. */
function at(treatment, path) {
  return path.split(".").reduce((value, name) => value?.[name], treatment);
}

// Shows on a page what `moments` decides for the customer on it: one at a time, each once while it is good, whichever of her tabs and
// devices asks first. It talks to the site's own backend, which knows who she is (see backend.js).

/** Between two attempts to report, at first and at most, ms. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 30_000;
/** For an answer, ms. */
const ANSWER_MS = 10_000;

/**
 * Begins to show treatments; returns what ends that. `render` puts one on the page and returns what takes it off; `knows` says whether the
 * page can show one at all: what it cannot is left for another page, and is not asked for.
 */
export function onsite({ url = "/moments", render = fromTemplates, knows = render === fromTemplates ? hasTemplate : () => true } = {}) {
  const by = self();
  /** Treatments that may be shown, in the order in which they were decided. The server says them anew with each stream. */
  let waiting = [];
  /** The one that is on the page: its id, and what takes it off. */
  let shown;
  /** The one that is asked for. */
  let asked;
  /** Those that are done with here: after a lost connection the list comes again. */
  const done = new Set();
  let ended = false;
  let stream;
  let again;
  let pause = RETRY_MS;

  function listen() {
    stream = new EventSource(`${url}/stream`);
    stream.addEventListener("open", () => {
      pause = RETRY_MS;
      waiting = [];
    });
    // A browser tries again by itself, but not after an answer that is no stream, as of a server that has just begun.
    stream.addEventListener("error", () => {
      if (stream?.readyState === EventSource.CLOSED) {
        again = setTimeout(listen, pause * (0.5 + Math.random() / 2));
        pause = Math.min(2 * pause, RETRY_MAX_MS);
      }
    });
    stream.addEventListener("treatment", (event) => {
      const treatment = JSON.parse(event.data);
      const isKnown = (it) => it?.id === treatment.id;
      if (knows(treatment) && !waiting.some(isKnown) && !isKnown(asked) && !done.has(treatment.id)) {
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
  }

  /** What nobody sees is not shown: another tab may be the one that she looks at. Nor does it take one of the browser's few connections. */
  function turn() {
    clearTimeout(again);
    stream?.close();
    stream = undefined;
    if (document.visibilityState === "visible") {
      listen();
      next();
    }
  }
  turn();
  document.addEventListener("visibilitychange", turn);

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
    done.add(treatment.id);
    try {
      const remove = may && !isGone && !ended && render(treatment, actions(treatment));
      if (remove) {
        shown = { id: treatment.id, remove };
      }
    } finally {
      next();
    }
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

  /** Reports until it is heard; whether it was granted. Whether it is still good the server says, whose clock is right. */
  async function report({ id }, what, body = {}) {
    for (let pause = RETRY_MS; !ended; pause = Math.min(2 * pause, RETRY_MAX_MS)) {
      try {
        const answer = await fetch(`${url}/${id}/${what}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
          // She may be about to leave the page.
          keepalive: true,
          signal: AbortSignal.timeout(ANSWER_MS),
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
    document.removeEventListener("visibilitychange", turn);
    clearTimeout(again);
    stream?.close();
    shown?.remove();
  };
}

/** What this page calls itself: another at each load, as a tab that is copied has the storage of the first. */
function self() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the page has a template for it. */
export function hasTemplate(treatment) {
  const has = templateOf(treatment) !== null;
  if (!has) {
    console.warn(`moments: the page has no <template data-moments="${treatment.template}">`);
  }
  return has;
}

function templateOf(treatment) {
  return document.querySelector(`template[data-moments="${CSS.escape(treatment.template)}"]`);
}

/**
 * Shows a treatment by the page's `<template data-moments="<name>">`, in a dialog at its end. In the template
 * - `data-text="data.code"` is filled with that of the treatment, as text;
 * - `data-href="data.url"` becomes where a link leads, which is reported when she follows it;
 * - `data-dismiss` closes it, as Escape does;
 * - a `form` answers: each field under its name; a box that is called `consent.email` says whether she may be written to so.
 */
export function fromTemplates(treatment, actions) {
  const template = templateOf(treatment);
  if (!template) {
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

// The behaviour of pages. Everything works without it: forms are sent, links are followed, pages reload.
//
//   data-live="CHANNEL …"   listen to these channels; each event becomes `live` on <body>, which parts of the
//                           page fetch themselves again by: hx-trigger="live from:body"
//   data-live-auth="PATH"   the endpoint that authorizes private channels (same element)
//   data-live-poll="S"      how often to reload all the same, in seconds: realtime may be unavailable
//   data-announce="WORDS"   read out when a part of the page arrives with other words than before
//   data-title="WORDS"      becomes the page's title when a part arrives with it
//   data-once               on a form: a second press does nothing until the page is shown again
//   data-busy="WORDS"       on a button of such a form: its label meanwhile
//   data-retry="PATH"       request it every few seconds, and open it once it answers
//   data-note               on a field: its text survives the end of a session, until another page is opened
//   data-keeps-notes        on a page that leads back: it keeps such notes
//   data-focus              takes the focus when the page is shown, or when a part arrives with it
"use strict";

(() => {
  const body = document.body;
  const RETRY_MS = 5000;

  // --- realtime -------------------------------------------------------------------------------------------

  const look = (detail) => body.dispatchEvent(new CustomEvent("live", { detail }));

  const connect = (auth) => {
    const { pusherKey, pusherCluster, pusherHost, pusherPort, pusherTls } = body.dataset;
    const options = {
      cluster: pusherCluster || "none",
      forceTLS: pusherTls === "yes",
      // Under this name it also goes encrypted, with `forceTLS`; "wss" is a second attempt, which the policy forbids.
      enabledTransports: ["ws"],
      disableStats: true,
      channelAuthorization: { endpoint: auth, transport: "ajax", headers: { "X-CSRF-Token": body.dataset.csrf } },
    };
    if (pusherHost) {
      const port = Number(pusherPort) || undefined;
      Object.assign(options, { wsHost: pusherHost, wsPort: port, wssPort: port });
    }
    return new window.Pusher(pusherKey, options);
  };

  const listen = (part) => {
    const every = Number(part.dataset.livePoll || 60) * 1000;
    setInterval(() => document.hidden || look({ reason: "poll" }), every);
    document.addEventListener("visibilitychange", () => document.hidden || look({ reason: "shown" }));
    if (!window.Pusher || !part.dataset.live) return;
    const pusher = connect(part.dataset.liveAuth);
    for (const name of part.dataset.live.split(" ")) {
      const channel = pusher.subscribe(name);
      channel.bind("pusher:subscription_succeeded", () => look({ reason: "subscribed" }));
      channel.bind_global((event, data) => event.startsWith("pusher:") || look({ reason: event, data }));
    }
    pusher.connection.bind("state_change", ({ current }) => (body.dataset.liveState = current));
  };

  // --- parts that arrive ----------------------------------------------------------------------------------

  let announced = "";

  const announce = (root) => {
    const part = root.matches?.("[data-announce]") ? root : root.querySelector("[data-announce]");
    if (!part || part.dataset.announce === announced) return;
    if (announced) document.getElementById("announcer").textContent = part.dataset.announce;
    announced = part.dataset.announce;
  };

  const arrive = (root) => {
    const titled = root.matches?.("[data-title]") ? root : root.querySelector("[data-title]");
    if (titled) document.title = titled.dataset.title;
    announce(root);
    root.querySelector("[data-focus]")?.focus();
  };

  // --- presses --------------------------------------------------------------------------------------------

  // The target of a press must still exist when the press ends: a part that arrives meanwhile is fetched again afterwards.
  let pressing = false;
  let missed = false;

  const hold = (event) => {
    const asked = event.detail.requestConfig.triggeringEvent;
    if (!pressing || (asked && asked.type !== "live")) return;
    event.detail.shouldSwap = false;
    missed = true;
  };

  // A finger's click comes a moment after the finger has gone.
  const release = () => setTimeout(() => {
    pressing = false;
    if (missed) look({ reason: "released" });
    missed = false;
  }, 50);

  // --- forms ----------------------------------------------------------------------------------------------

  const sendOnce = (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    if (event.submitter?.dataset.busy) say(event.submitter);
  };

  const say = (button) => {
    button.dataset.idle = button.textContent;
    button.textContent = button.dataset.busy;
    document.getElementById("announcer").textContent = button.dataset.busy;
  };

  const sendAgain = () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
      for (const button of form.querySelectorAll("[data-idle]")) button.textContent = button.dataset.idle;
    }
  };

  // --- notes ----------------------------------------------------------------------------------------------

  const NOTE = "note:";
  const nameOf = (field) => `${NOTE}${location.pathname}:${field.name}`;

  const keepNote = ({ target }) => target.matches("[data-note]") && sessionStorage.setItem(nameOf(target), target.value);

  const bringNotesBack = () => {
    if (document.querySelector("[data-keeps-notes]")) return;
    const fields = new Map([...document.querySelectorAll("[data-note]")].map((field) => [nameOf(field), field]));
    for (const name of Object.keys(sessionStorage).filter((each) => each.startsWith(NOTE))) {
      const field = fields.get(name);
      if (field && !field.value) {
        field.value = sessionStorage.getItem(name);
        field.dispatchEvent(new Event("change", { bubbles: true }));
      }
      if (!field) sessionStorage.removeItem(name);
    }
  };

  // --- outages --------------------------------------------------------------------------------------------

  const retry = (part) => {
    part.textContent = `${part.textContent} ${part.dataset.retryWords}`;
    const attempt = async () => {
      try {
        const answer = await fetch(part.dataset.retry, { credentials: "same-origin" });
        if (answer.status !== 503) return location.replace(part.dataset.retry);
      } catch {
        // The server does not answer at all: try again.
      }
      return setTimeout(attempt, RETRY_MS);
    };
    setTimeout(attempt, RETRY_MS);
  };

  document.addEventListener("submit", sendOnce);
  document.addEventListener("input", keepNote);
  window.addEventListener("pageshow", sendAgain);
  window.addEventListener("pointerdown", (event) => (pressing = event.isPrimary && event.button === 0), true);
  for (const end of ["pointerup", "pointercancel", "contextmenu", "dragend"]) window.addEventListener(end, release, true);
  // Not in the capture phase: an element that loses the focus to the press must not end it.
  window.addEventListener("blur", release);
  body.addEventListener("htmx:beforeSwap", hold);
  body.addEventListener("htmx:afterSettle", (event) => arrive(event.detail.elt));
  arrive(body);
  // Once htmx listens: a preview of the note follows it.
  window.addEventListener("load", bringNotesBack);
  document.querySelectorAll("[data-live-poll], [data-live]").forEach(listen);
  document.querySelectorAll("[data-retry]").forEach(retry);
})();

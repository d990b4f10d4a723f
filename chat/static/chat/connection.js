// The socket, what it answers, and the banner that says when it is away.

const REQUEST_TIMEOUT = 10_000;
const RETRY_AFTER_KICK = 2_000;
const BACK_ONLINE_SHOWN = 2_500;

/** The server understood the request and said no. */
export class RequestError extends Error {
  constructor({ message, code }) {
    super(message);
    this.code = code;
  }
}

export function openConnection() {
  const socket = window.io("/chat", { transports: chosenTransports(), reconnectionDelayMax: 3_000 });
  showBanner(socket);
  showLink(socket);
  return socket;
}

/** Asks the server and gives its answer; throws if it refuses, is away, or does not answer in time. */
export async function request(socket, event, data, timeout = REQUEST_TIMEOUT) {
  const args = data === undefined ? [] : [data];
  const answer = await socket.timeout(timeout).emitWithAck(event, ...args);
  if (answer?.error) throw new RequestError(answer.error);
  return answer;
}

// For demonstrations: ?transports=polling or ?transports=websocket, kept for the other pages of this tab.
function chosenTransports() {
  const known = ["polling", "websocket"];
  const asked = new URLSearchParams(location.search).get("transports");
  if (asked !== null) sessionStorage.setItem("transports", asked);
  const names = (sessionStorage.getItem("transports") ?? "").split(",");
  const chosen = names.filter((name) => known.includes(name));
  return chosen.length ? chosen : known;
}

function showBanner(socket) {
  const banner = document.querySelector("[data-connection]");
  const text = banner.querySelector(".connection-text");
  const again = banner.querySelector("[data-reconnect]");
  const login = banner.querySelector("[data-login]");
  let hiding = null;
  let everConnected = false;

  const show = (state, words) => {
    clearTimeout(hiding);
    banner.dataset.connection = state;
    text.textContent = words;
    again.hidden = state !== "away";
    login.hidden = state !== "refused";
    banner.hidden = false;
  };
  // While the client waits for its next attempt, connect() by itself does nothing.
  again.addEventListener("click", () => socket.disconnect().connect());

  socket.on("connect", () => {
    if (everConnected) {
      show("back", "Back online.");
      hiding = setTimeout(() => (banner.hidden = true), BACK_ONLINE_SHOWN);
    } else {
      banner.hidden = true;
    }
    everConnected = true;
  });
  socket.on("disconnect", (reason) => {
    show("away", "Connection lost. Reconnecting…");
    // After this reason alone the client does not reconnect by itself.
    if (reason === "io server disconnect") setTimeout(() => socket.connect(), RETRY_AFTER_KICK);
  });
  socket.on("connect_error", (error) => {
    // An active socket goes on trying by itself; otherwise the server refused this user.
    if (socket.active) show("away", "No connection. Trying again…");
    else show("refused", everConnected ? "You are logged out. " : `${error.message} `);
  });
  // A page that is being left closes its socket; its reader need not hear of that.
  window.addEventListener("pagehide", () => socket.off("disconnect"));
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
}

function showLink(socket) {
  const link = document.querySelector("[data-link]");
  const text = link.querySelector(".link-text");
  const show = (transport) => {
    link.dataset.link = transport ? "on" : "off";
    text.textContent = transport ? `Online · ${transport}` : "Not connected";
  };
  socket.on("connect", () => {
    const { engine } = socket.io;
    show(engine.transport.name);
    engine.on("upgrade", (transport) => show(transport.name));
  });
  socket.on("disconnect", () => show(null));
  socket.on("connect_error", () => show(null));
}

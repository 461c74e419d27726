// News of the portal.

/** After a refused connection the next try, in milliseconds. */
const AGAIN_MS = 3_000;

let source = null;
let lost = 0;

const say = (text, kind) => {
  tell("connection", text);
  byId("connection").dataset.kind = kind;
};

const receive = (news) => {
  if (news.anew) {
    forgetRequests();
    forgetChats();
    lost = 0;
    tell("lost", "");
    tell("earlier", news.requests_left_out > 0 ? `${plural(news.requests_left_out, "earlier request")} not shown; /sandbox/record has them.` : "");
  } else if (news.requests_left_out > 0) {
    lost += news.requests_left_out;
    tell("lost", `${plural(lost, "request")} came faster than this page reads and are not shown; /sandbox/record has them.`);
  }
  clockAhead = Date.parse(news.now) - Date.now();
  if (news.portal) {
    portalState = news.portal;
    showPortals();
    showLines(portalState.lines);
    showFaults();
    showSwitches();
    fillLimits();
    showLimits();
    showClock();
  }
  addRequests(news.requests);
  showRequests(news.requests.map((request) => request.sequence));
  addMessages(news.messages, news.anew);
  showChats();
};

const showPortals = () => {
  const select = byId("portal");
  if (select.options.length !== portalState.portals.length) select.replaceChildren(...portalState.portals.map((host) => make("option", { value: host }, host)));
  select.value = portalState.portal;
};

const watch = (portal) => {
  source?.close();
  const own = new EventSource(portal === undefined ? "watch" : `watch?portal=${encodeURIComponent(portal)}`);
  source = own;
  own.addEventListener("open", () => say("Live", "good"));
  own.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  own.addEventListener("error", () => {
    if (own !== source) return;
    if (own.readyState === EventSource.CONNECTING) {
      say("Connection lost, trying again", "bad");
      return;
    }
    say("Not live: too many pages watch, or the sandbox has ended. Trying again", "bad");
    setTimeout(() => own === source && watch(portal), AGAIN_MS);
  });
};

byId("portal").addEventListener("change", () => {
  selected = null;
  watch(byId("portal").value);
});

watch();

// Writes what is known into the page. Everything goes in as text.

// fill makes a description list of what is given; what is missing or empty is a dash. A column may have a second one, for the end.
function fill(panel, column, fields, ended) {
  const list = panel.querySelectorAll(`[data-column=${column}] dl`)[ended ? 1 : 0];
  list.hidden = false;
  list.replaceChildren(...Object.entries(fields).flatMap(([name, value]) => {
    const term = element("dt", "", name);
    const description = element("dd", "", value || "–");
    description.dataset.field = ended ? `ended: ${name}` : name;
    return [term, description];
  }));
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

export function showVerdict(panel, { policy, code, slug, action, after, outcome, status, why, duration }) {
  fill(panel, "verdict", outcome === "admitted"
    ? { policy, outcome, status, duration } // there is nothing else to say of it
    : { policy, code, slug, action, after, outcome, status, why, duration });
}

export function showEnded(panel, { closedBy, code, slug, action, after, messages, duration }) {
  fill(panel, "verdict", { "closed by": closedBy, code, slug, action, after, messages, "open for": duration }, true);
}

export function showWire(panel, { request, head, body, frames = [] }) {
  const part = (className, field, text) => {
    const made = element("pre", className, text);
    made.dataset.field = field;
    return made;
  };
  panel.querySelector(".bytes").replaceChildren(
    ...(request ? [part("asked", "request", request)] : []),
    part("head", "head", head),
    ...(body ? [part("body", "body", body)] : []),
    ...frames.flatMap(({ hex, text }) => [part("hex", "hex", hex), part("text", "frame", text)]),
  );
}

// show writes what the script knows, and the result that is read at a glance.
export function show(item, panel, verdict, script) {
  fill(panel, "script", script);
  const glance = item.querySelector(`[data-glance=${panel.dataset.form}]`);
  glance.dataset.kind = kind(item, verdict, script);
  glance.querySelector(".result").classList.remove("will");
  const { code, status, action, after } = script;
  glance.querySelector(".result").replaceChildren(...[
    element("strong", "", code ?? parseInt(status)),
    element("span", "says", says(verdict, script)),
    action && element("span", "action", action),
    after && element("span", "after", `after ${after}`),
  ].filter(Boolean).flatMap((part) => [part, " "]));
}

// kind says whether the script knows what happened. Where there is no close frame, for good reasons, it has lost nothing.
function kind(item, { outcome }, { code }) {
  if ("never" in item.dataset) return "other";
  if (outcome === "admitted" && code === 1000) return "open";
  if (code === undefined) return "other"; // no WebSocket
  return code === 1006 ? "lost" : "known";
}

function says({ status }, { code, message, slug, ...script }) {
  if (code === 1000) return `open, heard “${message}”`;
  if (code === 1006) return `hides a ${status}`;
  return slug ?? script.status.replace(/^\d+ /, "");
}

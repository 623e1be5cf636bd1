const servers = await (await fetch("/servers")).json()
const template = document.querySelector("template")

function connect(panel, server) {
  panel.socket = new WebSocket(`ws://${server}/ws/ada`)
  panel.socket.onopen = () => panel.say("open")
  panel.socket.onclose = ({code, reason}) => panel.say(`closed: ${code} ${reason}`)
}

const panels = servers.map((server, i) => {
  const section = template.content.cloneNode(true).firstElementChild
  section.id = `server${i + 1}`
  section.querySelector("h2").textContent = `Server ${i + 1}, ${server}`
  document.querySelector("main").append(section)
  const panel = {
    say(text) {
      section.querySelector(".state").textContent = text
      const line = document.createElement("li")
      line.textContent = text
      section.querySelector("ol").append(line)
    },
  }
  connect(panel, server)
  return panel
})

const on = (id, f) => document.getElementById(id).addEventListener("click", f)
on("ban", () => fetch("/ban/ada", {method: "POST"}))
on("unban", () => fetch("/ban/ada", {method: "DELETE"}))
on("drain", () => fetch("/maintenance", {method: "POST"}))
on("open", () => fetch("/maintenance", {method: "DELETE"}))
on("connect", () => panels.forEach((panel, i) => {
  if (panel.socket.readyState > WebSocket.OPEN) connect(panel, servers[i])
}))

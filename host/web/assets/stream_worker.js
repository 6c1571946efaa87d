// The shared worker of a browser's windows: each connects by a port.

const hub = new StreamHub();

addEventListener("connect", ({ ports: [port] }) => {
  const post = (message) => port.postMessage(message);
  port.onmessage = ({ data }) => {
    if (data.leave) hub.leave(port);
    else hub.follow(port, post, data.list, data.revision);
  };
});

// A window's way to the hub of events: a shared worker, or else one of the windows, or else a hub of its own.

const PROTOCOL = "hotlist-1"; // windows of another release of the page do not share a hub with these

// Connects to the hub. `receive` gets each message. Answers with how to follow a list from a revision on.
function connectToHub(receive) {
  try {
    if (window.SharedWorker) return hubInWorker(receive);
  } catch {
    // The browser has shared workers, and its settings forbid them.
  }
  return hubInWindows(receive);
}

function hubInWindows(receive) {
  if (navigator.locks && window.BroadcastChannel) return hubInOneWindow(receive);
  const hub = new StreamHub();
  return { follow: (list, revision) => hub.follow(hub, receive, list, revision), leave: () => hub.leave(hub) };
}

function hubInWorker(receive) {
  const worker = new SharedWorker("/stream.js", PROTOCOL);
  let instead = null, last = { leave: true };
  const toHub = (message) => {
    last = message;
    if (instead === null) worker.port.postMessage(message);
    else if (message.leave) instead.leave();
    else instead.follow(message.list, message.revision);
  };
  worker.port.onmessage = ({ data }) => instead === null && receive(data);
  // The worker's script could not be loaded.
  worker.onerror = () => {
    instead ??= hubInWindows(receive);
    toHub(last);
  };
  return { follow: (list, revision) => toHub({ list, revision }), leave: () => toHub({ leave: true }) };
}

// The window that holds a lock has the hub. When it is closed, the next window gets the lock.
function hubInOneWindow(receive) {
  const id = newKey(), channel = new BroadcastChannel(PROTOCOL);
  let hub = null, last = { leave: true };
  const toHub = (message) => {
    last = message;
    if (hub === null) channel.postMessage({ from: id, ...message });
    else serve(id, receive, message);
  };
  const serve = (from, post, { leave, list, revision }) => {
    if (leave) hub.leave(from);
    else hub.follow(from, post, list, revision);
  };
  channel.onmessage = ({ data: { from, to, isNewHub, message, ...request } }) => {
    if (to === id) receive(message);
    else if (isNewHub) toHub(last);
    else if (from && hub) serve(from, (answer) => channel.postMessage({ to: from, message: answer }), request);
  };
  navigator.locks.request(PROTOCOL, () => {
    hub = new StreamHub();
    channel.postMessage({ isNewHub: true });
    toHub(last);
    return new Promise(() => {}); // the lock is held until the window is closed
  });
  return { follow: (list, revision) => toHub({ list, revision }), leave: () => toHub({ leave: true }) };
}

// The search of the built pages runs in a worker, which browsers refuse to pages that are opened as files. There a frame without a size
// stands in for it; what calls itself iframe-worker keeps mkdocs-material's offline plugin from asking for one over the network.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      this.inside = frame.contentWindow
      this.ready = new Promise(resolve => { frame.contentWindow.started = resolve })
      this.inside.answer = data => {
        const event = new MessageEvent("message", { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      const page = this.inside.document
      page.open()
      page.write(`<script>
        self.postMessage = data => self.answer(data)
        self.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done, failed) => {
          const script = document.createElement("script")
          Object.assign(script, { src: url, onload: done, onerror: failed })
          document.body.appendChild(script)
        })), Promise.resolve())
      <\/script><body><script src="${url}" onload="self.started()"><\/script>`)
      page.close()
    }
    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {}
  }
}

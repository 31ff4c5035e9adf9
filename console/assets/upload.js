import { megabytes } from "./shown.js";

// An SQL file, dropped or chosen, goes to the server in pieces (tus 1.0). It can be paused, cancelled, and taken up again after
// a broken line, a closed browser or a restart of the console: the library keeps the upload's address in the browser.
const PIECE = 8 * 1024 * 1024;
const NAMES = /\.(sql|sql\.(gz|zst|bz2|xz)|gz|zst|bz2|xz)$/i;

function library() {
    return new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = new URL("./vendor/tus.js", import.meta.url);
        script.onload = () => done(window.tus);
        script.onerror = failed;
        document.head.append(script);
    });
}

class Panel {
    constructor(root) {
        this.words = root.dataset;
        this.root = root;
        this.box = document.getElementById("upload-progress");
        this.text = document.getElementById("upload-words");
        this.bar = document.getElementById("upload-bar");
        this.pause = document.getElementById("upload-pause");
        this.cancel = document.getElementById("upload-cancel");
        this.upload = null;
        this.running = false;
        this.pause.addEventListener("click", () => (this.running ? this.stop() : this.go()));
        this.cancel.addEventListener("click", () => this.drop());
    }

    say(text, bad = false) {
        this.box.hidden = false;
        this.text.textContent = text;
        this.text.classList.toggle("error", bad);
    }

    state(running) {
        this.running = running;
        this.pause.hidden = this.cancel.hidden = !this.upload;
        this.pause.textContent = running ? this.words.tPause : this.words.tResume;
        this.root.dataset.state = running ? "running" : "still";
    }

    async take(tus, file) {
        if (this.upload) await this.upload.abort();
        this.upload = null;
        this.bar.value = 0;
        if (!NAMES.test(file.name)) {
            this.say(this.words.tType, true);
            this.state(false);
            return;
        }
        this.file = file;
        this.upload = new tus.Upload(file, {
            endpoint: "/api/uploads",
            chunkSize: PIECE,
            retryDelays: [0, 1000, 3000, 5000, 10000],
            metadata: { filename: file.name },
            headers: { "X-CSRF-Token": this.words.csrf },
            removeFingerprintOnSuccess: true,
            onProgress: (sent, total) => {
                this.bar.value = (100 * sent) / total;
                this.say(`${this.words.tSending}: ${this.words.tPart.replace("{offset_text}", megabytes(sent)).replace("{size_text}", megabytes(total))} (${file.name})`);
            },
            onError: () => {
                this.say(this.words.tFailed, true);
                this.state(false);
            },
            onSuccess: () => {
                this.bar.value = 100;
                this.say(this.words.tDone);
                const id = this.upload.url.split("/").pop();
                this.upload = null;
                this.state(false);
                location.assign(`/restore?upload=${encodeURIComponent(id)}`);
            },
        });
        const before = await this.upload.findPreviousUploads();
        if (before.length) {
            this.upload.resumeFromPreviousUpload(before[0]);
            this.say(this.words.tAgain);
        }
        this.go();
    }

    go() {
        this.upload?.start();
        this.state(true);
    }

    async stop() {
        await this.upload?.abort();
        this.state(false);
        this.say(`${this.words.tPaused} (${Math.round(this.bar.value)} %)`);
    }

    async drop() {
        await this.upload?.abort(true);
        this.upload = null;
        this.box.hidden = true;
        this.state(false);
        location.reload();
    }
}

export async function start() {
    const root = document.getElementById("upload");
    if (!root) return;
    const tus = await library(), panel = new Panel(root);
    const drop = document.getElementById("drop"), input = document.getElementById("sql-file");
    input.addEventListener("change", () => { if (input.files[0]) panel.take(tus, input.files[0]); });
    for (const name of ["dragenter", "dragover"]) {
        drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
    }
    for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
        event.preventDefault();
        if (event.dataTransfer.files[0]) panel.take(tus, event.dataTransfer.files[0]);
    });
    root.dataset.ready = "1";
}

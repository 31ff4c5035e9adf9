// An SQL file in pieces: broken off in the middle and taken up again in a new tab, paused, cancelled; then imported to the end.
//   node upload.js FILE [import]
import { PASSWORD, accepted, assert, assertEqual, context, quiet, restored, scenario, send, signIn } from "./lib.js";

const LONG = { timeout: 150000 };

// Counts the pieces, holds each one up for a moment, and cuts the line from piece number `cut` on.
async function line(page, { cut = Infinity, delay = 150 } = {}) {
    const offsets = [];
    await page.route("**/api/uploads/*", async (route) => {
        if (route.request().method() !== "PATCH") return route.continue();
        offsets.push(Number(route.request().headers()["upload-offset"]));
        if (offsets.length >= cut) return route.abort("connectionreset");
        await new Promise((done) => { setTimeout(done, delay); });
        return route.continue();
    });
    return offsets;
}

async function open(made, base) {
    const page = await made.newPage();
    await page.goto(`${base}/restore`);
    await page.locator("#upload[data-ready]").waitFor();
    return page;
}

async function resumed(made, base, file) {
    const first = await open(made, base), offsets = await line(first, { cut: 3 });
    await first.setInputFiles("#sql-file", file);
    await first.waitForFunction(() => document.getElementById("upload-bar").value > 20);
    while (offsets.length < 3) await first.waitForTimeout(50);
    await first.close(); // the browser is gone
    assert(offsets[1] > 0, `pieces: ${offsets}`);

    const second = await open(made, base), later = await line(second);
    assert((await second.locator("#uploads").innerText()).includes("unvollständig"), "the list says that it is not complete");
    await second.setInputFiles("#sql-file", file);
    await second.waitForURL(/\/restore\?upload=[0-9a-f]{32}$/, LONG);
    // the page that went away tried again by itself, and a part of that may have arrived
    assert(later[0] >= offsets[2], `it goes on where it stopped: ${later[0]} after ${offsets}`);
    return second;
}

async function pausedAndCancelled(made, base, file) {
    const page = await open(made, base);
    const before = await page.locator("#uploads tbody tr").count();
    const offsets = await line(page, { delay: 400 });
    await page.setInputFiles("#sql-file", { name: "bild.png", mimeType: "image/png", buffer: Buffer.from("x") });
    assert((await page.locator("#upload-words").innerText()).includes("SQL-Datei"), "a picture is refused");
    await page.setInputFiles("#sql-file", file);
    await page.waitForFunction(() => document.getElementById("upload-bar").value > 10);
    await page.click("#upload-pause");
    await page.locator("#upload[data-state=still]").waitFor();
    assert((await page.locator("#upload-words").innerText()).includes("Angehalten"), "it says that it is paused");
    const sent = offsets.length;
    await page.waitForTimeout(1200);
    assertEqual(offsets.length, sent, "pieces sent while paused");
    await page.click("#upload-pause");
    while (offsets.length === sent) await page.waitForTimeout(50);
    await Promise.all([page.waitForNavigation(), page.click("#upload-cancel")]);
    assertEqual(await page.locator("#uploads tbody tr").count(), before, "uploads after cancelling");
    await page.close();
}

async function dropped(made, base) {
    const page = await open(made, base);
    const data = await page.evaluateHandle(() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["SELECT 1;\n"], "klein.sql"));
        return transfer;
    });
    await page.dispatchEvent("#drop", "drop", { dataTransfer: data });
    await page.waitForURL(/\/restore\?upload=/);
    await page.goto(`${base}/restore`);
    await send(page, "#uploads tr:has-text('klein.sql') form[action='/uploads/remove'] button");
    assertEqual(await page.locator("#uploads tr:has-text('klein.sql')").count(), 0, "a removed upload");
    await page.close();
}

await scenario(async (chrome, base, [file, ...words]) => {
    const made = await context(chrome), page = await made.newPage();
    await signIn(page, base);
    await page.close();
    await dropped(made, base);
    await pausedAndCancelled(made, base, file);
    const plan = await resumed(made, base, file);
    if (words.includes("import")) {
        const word = (await plan.locator("label[for=confirm]").innerText()).match(/«(.+)»/)[1];
        const planned = plan.url();
        await accepted(plan, async () => {
            if (plan.url() !== planned) await plan.goto(planned);
            await plan.fill("#confirm", word);
            await plan.fill("#plan [name=own_password]", PASSWORD);
            await send(plan, "#plan button.danger");
        });
        await restored(plan);
    }
    quiet(made, "upload");
});

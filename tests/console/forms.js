// Every form with good and with bad input, in German.
//   node forms.js FOLDER-WITH-CERTIFICATES [PART...]     parts: sign-in clients schedule log account certificates
import { readFileSync } from "node:fs";
import { assert, assertEqual, axe, context, flash, NAME, PASSWORD, quiet, scenario, send, signIn } from "./lib.js";

const OTHER = "assistenz", OTHER_PASSWORD = "noch ein ganzer Satz";

async function unchecked(page, selector) {
    await page.$eval(selector, (form) => { form.noValidate = true; }); // what the server says, not the browser
}

async function alert(page) {
    return (await page.locator("main [role=alert]").allInnerTexts()).join("\n");
}

async function signingIn(chrome, base) {
    const made = await context(chrome), page = await made.newPage();
    await page.goto(`${base}/login`);
    await page.fill("#name", NAME);
    await page.fill("#password", "falsch geraten");
    await send(page, "form.card button");
    assert((await alert(page)).includes("stimmt nicht"), "a wrong password is told");
    assertEqual(await page.inputValue("#name"), NAME, "the name is still there");
    assertEqual(await page.inputValue("#password"), "", "the password is not");
    // a form without its token, as another site would send it
    const status = await page.evaluate(async () =>
        (await fetch("/login", { method: "POST", body: new URLSearchParams({ name: "a", password: "b" }), redirect: "manual" })).status);
    assertEqual(status, 403, "a form without a token");
    await page.goto(`${base}/login?next=/log`);
    await page.fill("#name", NAME);
    await page.fill("#password", PASSWORD);
    await send(page, "form.card button");
    assertEqual(new URL(page.url()).pathname, "/log", "back to where one wanted to go");
    await page.goto(`${base}/login?next=https://example.org/`);
    assertEqual(new URL(page.url()).origin, new URL(base).origin, "never to another site");
    await made.close();
}

async function account(page, base, chrome) {
    const change = async (old, fresh, again) => {
        await page.goto(`${base}/account`);
        await unchecked(page, "form[action='/account/password']");
        await page.fill("#old", old);
        await page.fill("#new", fresh);
        await page.fill("#again", again);
        await send(page, "form[action='/account/password'] button");
    };
    await change("falsch geraten", "ein anderer Satz", "ein anderer Satz");
    assert((await flash(page, "bad")).includes("stimmt nicht"), "a wrong old password");
    await change(PASSWORD, "ein anderer Satz", "ein anderer Saz");
    assert((await flash(page, "bad")).includes("nicht gleich"), "two different passwords");
    await change(PASSWORD, "kurz", "kurz");
    assert((await flash(page, "bad")).includes("10"), "a short password");
    await change(PASSWORD, "ein anderer Satz", "ein anderer Satz");
    assert((await flash(page, "good")).includes("geändert"), "the password is changed");
    await change("ein anderer Satz", PASSWORD, PASSWORD);
    await flash(page, "good");

    const add = async (name, password) => {
        await page.goto(`${base}/account`);
        await unchecked(page, "form[action='/account/add']");
        await page.fill("#new-name", name);
        await page.fill("#new-password", password);
        await page.fill("form[action='/account/add'] [name=own_password]", PASSWORD);
        await send(page, "form[action='/account/add'] button");
    };
    await add("<script>alert(1)</script>", OTHER_PASSWORD);
    assert((await flash(page, "bad")).includes("Buchstaben"), "a bad name");
    await add(OTHER, "kurz");
    await flash(page, "bad");
    await add(NAME, OTHER_PASSWORD);
    assert((await flash(page, "bad")).includes("schon"), "a name that exists");
    await add(OTHER, OTHER_PASSWORD);
    await flash(page, "good");

    // who may only look finds nothing to press, and is refused
    const viewer = await context(chrome), look = await viewer.newPage();
    await signIn(look, base, OTHER, OTHER_PASSWORD);
    for (const path of ["/", "/clients", "/backups", "/schedule", "/restore", "/certificates", "/log"]) {
        await look.goto(base + path);
        assertEqual(await look.locator("main form[method=post] button").count(), path === "/schedule" ? 5 : 0, `buttons of a viewer on ${path}`);
    }
    await look.goto(`${base}/account`);
    const csrf = await look.inputValue("form[action='/account/password'] input[name=csrf]");
    const status = await look.evaluate(async (token) =>
        (await fetch("/clients/block", { method: "POST", body: new URLSearchParams({ csrf: token, reason: "x", how: "block" }), redirect: "manual", headers: { Accept: "application/json" } })).status, csrf);
    assertEqual(status, 403, "a viewer blocks");
    await page.goto(`${base}/account`);
    await page.locator("#accounts summary").first().click();
    const removal = `form[action='/account/remove']:has(input[value='${OTHER}'])`;
    await page.fill(`${removal} [name=own_password]`, PASSWORD);
    await page.check(`${removal} input[name=sure]`);
    await send(page, `${removal} button`);
    await flash(page, "good");
    const fresh = await viewer.newPage(); // the open one may be going to the sign-in by itself
    assertEqual(new URL((await fresh.goto(`${base}/log`)).url()).pathname, "/login", "a removed account is signed out");
    quiet(viewer, "viewer");
    await viewer.close();
}

async function clients(page, base) {
    await page.goto(`${base}/clients`);
    assertEqual(await page.locator("#sessions tbody tr").count(), 1, "one client is connected");
    const row = await page.locator("#sessions tbody tr").innerText();
    assert(row.includes("elexisuser") && row.includes("127.0.0.1") && row.includes("TLSv1.3"), `the client's row: ${row}`);
    await page.locator("form[action='/clients/kill'] summary").first().click();
    await page.locator("form[action='/clients/kill'] input[name=sure]").first().check();
    await send(page, "form[action='/clients/kill'] button");
    await flash(page, "good");
    await page.locator("#sessions tbody tr").waitFor({ state: "detached" }); // by itself, without a reload

    await unchecked(page, "form[action='/clients/block']");
    await send(page, "form[action='/clients/block'] button.danger");
    await flash(page, "bad");
    assert(await page.locator("#gate .state.good").isVisible(), "without a reason nothing is blocked");
    await page.fill("#reason", "Wartung");
    await page.fill("#until", "bald");
    await send(page, "form[action='/clients/block'] button.danger");
    assert((await flash(page, "bad")).includes("14:30"), "a time that is none");
    await page.fill("#reason", "Wartung bis 13:30 <Müller & Söhne>");
    await send(page, "form[action='/clients/block'] button.danger");
    const state = await page.locator("#gate .state.bad").innerText();
    assert(state.includes("gesperrt") && state.includes("Wartung bis 13:30 <Müller & Söhne>"), `blocked: ${state}`);
    await page.goto(`${base}/`);
    assert((await page.locator("#status").innerText()).includes("Wartung bis 13:30"), "the overview tells it");
    await page.goto(`${base}/clients`);
    await send(page, "form[action='/clients/open'] button");
    await page.locator("#gate .state.good").waitFor();
}

async function schedule(page, base) {
    await page.goto(`${base}/schedule`);
    await page.click("[data-preset='15 3 * * 1-5']");
    await page.locator("#preview strong", { hasText: "Montag bis Freitag um 03:15" }).waitFor();
    assertEqual(await page.locator("#preview li").count(), 5, "the next runs");
    await page.fill("#minute", "61");
    await page.locator("#preview.bad").waitFor();
    await unchecked(page, "#schedule-form");
    await page.fill("#schedule-form [name=own_password]", PASSWORD);
    await send(page, "#schedule-form > .buttons button");
    assert((await alert(page)).length > 10, "minute 61 is refused");
    assertEqual(await page.inputValue("#minute"), "61", "what was typed is still there");
    await page.fill("#minute", "20");
    await page.fill("#idle_for", "bald");
    await unchecked(page, "#schedule-form");
    await page.fill("#schedule-form [name=own_password]", PASSWORD);
    await send(page, "#schedule-form > .buttons button");
    assert((await alert(page)).length > 10, "a duration in words is refused");
    await page.fill("#idle_for", "45s");
    await page.fill("#hour", "2,14");
    await page.fill("#weekday", "1-5");
    await page.fill("#keep", "9");
    await page.locator("#prune", { hasText: "Die nächste gute Sicherung entfernt keine." }).waitFor();
    await page.selectOption("#after_deadline", "dump");
    await page.selectOption("#drill_schedule", "monthly");
    await page.fill("#schedule-form [name=own_password]", PASSWORD);
    await send(page, "#schedule-form > .buttons button");
    await flash(page, "good");
    const kept = {};
    for (const name of ["minute", "hour", "day", "month", "weekday", "keep", "idle_for", "after_deadline", "drill_schedule"]) kept[name] = await page.inputValue(`#${name}`);
    assertEqual(JSON.stringify(Object.values(kept)), JSON.stringify(["20", "2,14", "*", "*", "1-5", "9", "45s", "dump", "monthly"]), "what was saved");
    await page.goto(`${base}/`);
    assert((await page.locator("#cards").innerText()).includes("Montag bis Freitag"), "effective at once");

    await page.goto(`${base}/schedule`);
    await page.uncheck("input[name=on]");
    await page.fill("#schedule-form [name=own_password]", PASSWORD);
    await send(page, "#schedule-form > .buttons button");
    await flash(page, "good");
    await page.goto(`${base}/`);
    assert((await page.locator("#cards").innerText()).includes("kein Zeitplan"), "switched off");
    await page.goto(`${base}/schedule`);
    await page.check("input[name=on]");
    await page.click("[data-preset='15 3 * * *']");
    await page.fill("#idle_for", "15s");
    await page.fill("#schedule-form [name=own_password]", PASSWORD);
    await send(page, "#schedule-form > .buttons button");
    await flash(page, "good");
}

async function certificates(page, base, chrome, folder) {
    await page.goto(`${base}/certificates`);
    const before = await page.locator(".fingerprint").innerText();
    assert(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/.test(before), `the fingerprint: ${before}`);

    const choose = (name, text) => ({ name, mimeType: "application/x-pem-file", buffer: Buffer.from(text) });
    await page.setInputFiles("#i-file", choose("kaputt.pem", "das ist kein Zertifikat"));
    await send(page, "#install-form > .buttons button");
    assert((await alert(page)).length > 10, "junk is refused with words");
    assertEqual(await page.locator(".fingerprint").innerText(), before, "the certificate after junk");

    await page.setInputFiles("#i-file", choose("fremd.pem", readFileSync(`${folder}/ca.pem`))); // the key belongs to another one
    await page.setInputFiles("#i-key", choose("server.key", readFileSync(`${folder}/server.key`)));
    await send(page, "#install-form > .buttons button");
    assert((await alert(page)).length > 10, "a key that does not fit is refused");
    assertEqual(await page.locator(".fingerprint").innerText(), before, "the certificate after a wrong pair");
    await page.setInputFiles("#i-file", choose("server.pem", readFileSync(`${folder}/server.pem`)));
    await page.setInputFiles("#i-key", choose("server.key", readFileSync(`${folder}/server.key`)));
    await send(page, "#install-form > .buttons button");
    const question = await page.locator("#asked").innerText();
    assert(question.includes("Gleiche Zertifizierungsstelle: kein Besuch nötig"), `before anything is replaced: ${question}`);
    assertEqual((await axe(page)).join("\n"), "", "accessibility of the question");
    assertEqual(await page.locator(".fingerprint").innerText(), before, "the certificate while it is asked");
    await page.check("#asked input[name=sure]");
    await page.fill("#asked [name=own_password]", PASSWORD);
    await send(page, "#asked .buttons button");
    await flash(page, "good");
    assertEqual(await page.locator(".fingerprint").innerText(), before, "the same certificate, installed once more");

    // one of another CA: what that means is said, with how many it concerns; and then the way back
    await page.setInputFiles("#i-file", choose("fremd.pem", readFileSync(`${folder}/other/server.pem`)));
    await page.setInputFiles("#i-key", choose("fremd.key", readFileSync(`${folder}/other/server.key`)));
    await page.setInputFiles("#i-chain", choose("ca.pem", readFileSync(`${folder}/other/ca.pem`)));
    await send(page, "#install-form > .buttons button");
    assert((await page.locator("#asked .note.bad").first().innerText()).includes("Neue Zertifizierungsstelle: Jeder Arbeitsplatz braucht die neue Datei"), "every workstation is cut off");
    assert((await page.locator("#asked").innerText()).includes("Ihm fehlt, was das jetzige hat"), "names that go");
    await page.check("#asked input[name=other_names]");
    await page.check("#asked input[name=sure]");
    await page.fill("#asked [name=own_password]", PASSWORD);
    await send(page, "#asked .buttons button");
    await flash(page, "good");
    assert((await page.locator(".fingerprint").innerText()) !== before, "another certificate");
    assert((await page.locator("#ways").innerText()).includes("lässt sich hier nicht erneuern"), "it is not ours to renew");
    await page.locator("#back summary").click();
    assert((await page.locator("#back").innerText()).includes("Neue Zertifizierungsstelle"), "the way back is another exchange of CAs");
    await page.check("#back input[name=sure]");
    await page.fill("#back [name=own_password]", PASSWORD);
    await send(page, "#back .buttons button");
    await flash(page, "good");
    assertEqual(await page.locator(".fingerprint").innerText(), before, "back");
    await page.check("#ways form[action='/certificates/renew'] input[name=sure]");
    await send(page, "#ways form[action='/certificates/renew'] button");
    await flash(page, "good");

    await unchecked(page, "#make form");
    await page.fill("#c-name", "www.bank.example");
    await page.fill("#make [name=own_password]", PASSWORD);
    await page.check("#make input[name=sure]");
    await send(page, "#make .buttons button");
    assert((await page.locator("#c-names-error").innerText()).includes("Für www.bank.example darf die Zertifizierungsstelle der Praxis nichts ausstellen"), "said at the field");

    await unchecked(page, "#make form");
    await page.fill("#c-name", "kein Name für einen Server");
    await page.fill("#make [name=own_password]", PASSWORD);
    await page.check("#make input[name=sure]");
    await send(page, "#make .buttons button");
    assert((await alert(page)).length > 10, "a name with blanks is refused");
    await unchecked(page, "#make form");
    await page.fill("#c-name", "localhost");
    await page.fill("#c-country", "CH");
    await page.fill("#c-canton", "Zürich");
    await page.fill("#c-place", "Zürich");
    await page.fill("#c-org", "Praxis Dr. Müller");
    await page.fill("#c-dep", "Empfang");
    await page.fill("#c-names", "127.0.0.1\nelexis.praxis.local");
    await page.fill("#make [name=own_password]", PASSWORD);
    await page.check("#make input[name=sure]");
    await send(page, "#make .buttons button");
    await flash(page, "good");
    await page.goto(`${base}/certificates`);
    const now = await page.locator("#current").innerText();
    assert(!now.includes(before) && now.includes("elexis.praxis.local"), `the new certificate: ${now}`);

    await page.selectOption("#c-kind", "csr");
    await page.fill("#c-name", "elexis.praxis-mueller.ch");
    await page.fill("#c-org", "Praxis Dr. Müller");
    await page.fill("#make [name=own_password]", PASSWORD);
    await page.check("#make input[name=sure]");
    const [request] = await Promise.all([page.waitForEvent("download"), page.click("#make .buttons button")]);
    assert(readFileSync(await request.path(), "utf8").includes("BEGIN CERTIFICATE REQUEST"), "a request to be signed elsewhere");
    await page.goto(`${base}/certificates`);
    assert((await page.locator("#current").innerText()).includes(now.match(/([0-9A-F]{2}:){31}[0-9A-F]{2}/)[0]), "a request changes nothing yet");

    for (const link of await page.locator("#workstations a[download]").all()) {
        const [file] = await Promise.all([page.waitForEvent("download"), link.click()]);
        assert(readFileSync(await file.path()).length > 500, `${file.suggestedFilename()} is empty`);
    }
    await page.click("#workstations a[href='/certificates/guide']");
    assert((await page.innerText(".guide")).length > 500, "the guide for a workstation");
}

async function log(page, base) {
    // who did what, in sentences, from the audit logs on disk; the page's own questions are none of it
    await page.goto(`${base}/log?kind=people`);
    const said = (await page.locator("#protocol summary").allInnerTexts()).join("\n");
    assert(said.includes("praxis von 127.0.0.1: hat sich auf der Seite angemeldet"), `sentences: ${said}`);
    assert(!/\bstatus\b|sessions|\{/.test(said), `only sentences: ${said}`);
    await page.goto(`${base}/log?kind=connections&q=elexisuser`);
    assert((await page.locator("#protocol summary").first().innerText()).includes("elexisuser"), "who connected");
    assert(/\d\d:\d\d:\d\d/.test(await page.locator("#protocol time").first().innerText()), "with seconds");
    await page.locator("#protocol summary").first().click();
    assert((await page.locator("#protocol details[open] .mono").innerText()).includes('"event"'), "the line itself is one click away");
    await page.locator("#protocol").waitFor();
    // and what the programs did by themselves, in the same form
    await page.goto(`${base}/log?kind=operation`);
    const operation = (await page.locator("#protocol summary").allInnerTexts()).join("\n");
    assert(operation.includes("Gestartet: die Sicherung (elexgate-keeper)") && operation.includes("Der Zugang ist gesperrt: Wartung bis 13:30"), `sentences: ${operation}`);
    assert(!operation.includes("event=") && !/^(ready|login|cert)$/m.test(operation), `only sentences: ${operation}`);
    await page.locator("#protocol summary").first().click();
    assert((await page.locator("#protocol details[open] .mono").innerText()).includes('"level"'), "its line is one click away");
    await page.getByRole("link", { name: "Zeilen der Programme" }).click();
    await page.locator("#lines").waitFor();
    assert((await page.locator("#lines tbody tr").count()) > 5, "the log has lines");
    await page.selectOption("#program", "keeper");
    await send(page, "form[action='/log'] button");
    const parts = await page.locator("#lines tbody td:nth-child(2)").allInnerTexts();
    assert(parts.length > 0 && parts.every((text) => text === "Sicherung"), `only the keeper's lines: ${parts}`);
    await page.fill("#q", "gibt-es-nicht-\"<>&");
    await send(page, "form[action='/log'] button");
    assertEqual(await page.locator("#lines tbody tr").count(), 0, "nothing is found");
    assertEqual(await page.inputValue("#q"), "gibt-es-nicht-\"<>&", "the word is still there");
    await page.goto(`${base}/log?view=raw`);
    const [file] = await Promise.all([page.waitForEvent("download"), page.click("a[download]")]);
    assert(readFileSync(await file.path(), "utf8").includes("ready"), "the log can be downloaded");
}

const PARTS = {
    "sign-in": (page, base, chrome) => signingIn(chrome, base),
    clients, schedule, log, account, certificates,
};

await scenario(async (chrome, base, [folder, ...parts]) => {
    const made = await context(chrome), page = await made.newPage();
    await signIn(page, base);
    for (const part of parts.length ? parts : Object.keys(PARTS)) await PARTS[part](page, base, chrome, folder);
    quiet(made, "forms");
});

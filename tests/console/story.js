// As a new user would, in German and with the browser alone: a backup is made, proven, and restored. The steps are words of the
// command line, so that the test can do its own part between them.
//   node story.js backup | prove | begin-restore | watch-restore | find-restore | undo | accept | delete |
//                 keep-the-only-one
import { accepted, assert, assertEqual, axe, context, flash, PASSWORD, quiet, restored, scenario, send, signIn } from "./lib.js";

const LONG = { timeout: 150000 };

async function remove(page, base, kind) {
    await page.goto(`${base}/backups`);
    const before = await page.locator("#runs-table tbody tr").count(), row = page.locator("#runs-table tbody tr").last();
    await row.locator("summary").click();
    assertEqual(await row.locator("a[download]").count(), 0, "archives leave the machine otherwise");
    await row.locator("input[name=sure]").check();
    await row.locator("[name=own_password]").fill(PASSWORD);
    await send(page, "#runs-table tbody tr:last-child form[action='/backups/delete'] button");
    const text = await flash(page, kind);
    assertEqual(await page.locator("#runs-table tbody tr").count(), kind === "good" ? before - 1 : before, "backups afterwards");
    return text;
}

const STEPS = {
    async backup(page, base) {
        const newest = page.locator("#runs-table tbody tr").first();
        await page.goto(`${base}/backups`);
        const before = await page.locator("#runs-table tbody th a").evaluateAll((links) => links.map((a) => a.href));
        await page.goto(base);
        await page.getByRole("button", { name: "Jetzt sichern" }).click();
        await page.locator("#job section").waitFor(); // it waits for quiet, or runs already
        await page.getByRole("link", { name: "Sicherungen", exact: true }).first().click();
        await page.waitForFunction((was) => { // by itself
            const first = document.querySelector("#runs-table tbody th a");
            return first && !was.includes(first.href);
        }, before, LONG);
        assert((await newest.innerText()).includes("✓"), "the backup was read back");
        await page.getByRole("link", { name: "Übersicht" }).click();
        assert(!(await page.locator("#cards").innerText()).includes("Es gibt noch keine Sicherung"), "the overview knows it");
    },

    async prove(page, base) {
        await accepted(page, async () => {
            await page.goto(base);
            await send(page, "button:has-text('Probelauf prüfen')");
        });
        await page.locator("#status .state.good").waitFor(LONG);
        const text = await page.locator("#status .state.good").innerText();
        assert(text.includes("Alles in Ordnung"), text);
        await page.getByRole("link", { name: "Sicherungen", exact: true }).first().click();
        await page.locator("#runs-table tbody tr").first().locator(".badge.good").nth(1).waitFor(LONG);
        assertEqual(await page.locator("#runs-table tbody tr").first().locator(".badge.good").count(), 2, "verified and proven");
    },

    // What is in it, what differs from now; its name, and protection that needs the password to be taken away.
    async "look-into"(page, base) {
        assert(/Der neuste Eintrag darin ist vom \d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d\./.test(await page.locator("#summary").innerText()), "the overview names it");
        await page.goto(`${base}/backups`);
        await page.locator("#runs-table tbody th a").first().click();
        await page.locator("#mark").waitFor();
        await page.getByText("Alle Tabellen zeigen").first().click();
        const tables = await page.locator(".tables").first().innerText();
        assert(tables.includes("elexis.KONTAKT") && !tables.includes("mysql."), `its tables: ${tables.slice(0, 300)}`);
        await page.getByRole("link", { name: "Mit jetzt vergleichen" }).click();
        await page.locator(".difference").first().waitFor(LONG);
        const row = await page.locator(".difference tbody tr", { hasText: "elexis.CONFIG" }).first().innerText();
        assert(row.includes("+1"), `one row more: ${row}`);
        assertEqual((await axe(page)).join("\n"), "", "accessibility of a backup");
        await page.fill("#label", "vor dem Einspielen von 3.13");
        await send(page, "#mark button:has-text('Speichern')");
        assert((await flash(page, "good")).includes("Name"), "the name is saved");
        await send(page, "#mark button:has-text('Schützen')");
        assert((await page.locator("#mark").innerText()).includes("geschützt"), "protected");
        await page.goto(`${base}/backups`);
        const first = page.locator("#runs-table tbody tr").first();
        assert((await first.innerText()).includes("vor dem Einspielen von 3.13"), "the list has the name");
        await first.locator("summary").click();
        await first.locator("input[name=sure]").check();
        await first.locator("[name=own_password]").fill(PASSWORD);
        await send(page, "#runs-table tbody tr:first-child form[action='/backups/delete'] button");
        assert((await flash(page, "bad")).includes("ist geschützt"), "what is protected is not deleted");
        await page.locator("#runs-table tbody th a").first().click();
        await page.locator("#mark summary").click();
        await page.fill("#mark [name=own_password]", PASSWORD);
        await send(page, "#mark button.danger");
        assert((await flash(page, "good")).includes("nicht mehr geschützt"), "no longer");
    },

    // Up to the first phase; the caller does something in the middle of it.
    async "begin-restore"(page) {
        await page.getByRole("link", { name: "Wiederherstellen" }).first().click();
        await page.locator("#from-backup").getByRole("link", { name: "Auswählen" }).first().click();
        const plan = page.locator("#plan"), planned = page.url();
        const text = await plan.innerText();
        assert(text.includes("geht verloren") || text.includes("gehen verloren") || text.includes("verloren"), `what is lost: ${text}`);
        assert(text.includes("elexisuser"), `who is working: ${text}`);
        assertEqual((await axe(page)).join("\n"), "", "accessibility of the plan");
        const word = (await plan.locator("label[for=confirm]").innerText()).match(/«(.+)»/)[1];
        await page.$eval("#plan form", (form) => { form.noValidate = true; });
        await page.fill("#confirm", "irgendwas");
        await send(page, "#plan button.danger");
        assertEqual(await page.getAttribute("#confirm", "aria-invalid"), "true", "the wrong word is refused");
        await accepted(page, async () => {
            await page.goto(planned);
            await page.fill("#confirm", word);
            await send(page, "#plan button.danger");
        });
        await page.locator(".steps li.now").first().waitFor(LONG);
        // the hook that holds it is a step as well; what came before it is done
        await page.locator(".steps li.now", { hasText: "Programm der Praxis" }).waitFor(LONG);
        assertEqual(await page.locator(".steps li.done").count(), 3, "unpacked, started on trial, compared");
        assertEqual((await axe(page)).join("\n"), "", "accessibility of the progress");
        console.log("BEGUN");
    },

    // On a page of its own, as after closing the browser.
    async "find-restore"(page, base) {
        await page.goto(`${base}/restore`);
        await STEPS["watch-restore"](page);
    },

    // On the page that is open: it changes by itself.
    async "watch-restore"(page) {
        await restored(page);
    },

    async undo(page, base) {
        await accepted(page, async () => {
            await page.goto(`${base}/restore`);
            await page.check("form[action='/restore/undo'] input[name=sure]");
            await send(page, "form[action='/restore/undo'] button");
        });
        await STEPS["watch-restore"](page);
        const text = await page.locator("#last-restore").innerText();
        assert(text.includes("Doch die wiederhergestellten"), `after undoing: ${text}`);
    },

    async accept(page, base) {
        await accepted(page, async () => {
            await page.goto(`${base}/restore`);
            await page.check("form[action='/restore/accept'] input[name=sure]");
            await page.fill("form[action='/restore/accept'] [name=own_password]", PASSWORD);
            await send(page, "form[action='/restore/accept'] button");
        });
        await STEPS["watch-restore"](page);
        assertEqual(await page.locator("form[action='/restore/accept']").count(), 0, "accepted once");
    },

    // The oldest one; the only good one of its kind is kept.
    async delete(page, base) {
        assert((await remove(page, base, "good")).length > 5, "it says so");
    },

    async "keep-the-only-one"(page, base) {
        await page.goto(`${base}/backups`); // the keeper makes one by itself where the binary log begins anew
        while ((await page.locator("#runs-table tbody tr").count()) > 1) await remove(page, base, "good");
        assert((await remove(page, base, "bad")).length > 10, "it says why");
    },
};

await scenario(async (chrome, base, steps) => {
    const made = await context(chrome), page = await made.newPage();
    await signIn(page, base);
    for (const step of steps) await STEPS[step](page, base);
    quiet(made, steps.join(" "));
});

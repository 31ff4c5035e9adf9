// The day at a glance: drawn, told in a table, and a click that leads to the plan of a restore; in German.
//   node timeline.js MOMENT TABLE     what was written to TABLE since would be lost; goes back to MOMENT at the end
import { accepted, assert, assertEqual, axe, context, quiet, restored, scenario, send, signIn } from "./lib.js";

await scenario(async (chrome, base, [moment, changed]) => {
    const made = await context(chrome), page = await made.newPage();
    await signIn(page, base);
    const live = await page.innerText("#summary");
    assert(/Jede Sekunde ist gesichert, bis vor (< )?\d+ s\./.test(live), `the overview says how far it is saved: ${live}`);
    await page.goto(`${base}/timeline`);
    await page.waitForSelector("#day-chart canvas");
    assert(Number(await page.getAttribute("#day-chart canvas", "width")) > 200, "the picture is drawn");
    const minutes = (await page.getAttribute("#day-chart", "data-minutes")).split(",").map(Number);
    assert(minutes.some((n) => n > 0), "something was written today");
    const table = (await page.locator("main table.stack tbody tr").allInnerTexts()).join("\n");
    assert(table.includes("eine Sicherung ist fertig"), `the backup stands in the table: ${table}`);
    // the minute of the first writing: a click near it fills in a moment of that day
    const box = await page.locator("#day-chart .u-over").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    const day = await page.getAttribute("#day-chart", "data-day");
    const chosen = await page.inputValue("#to");
    assert(new RegExp(`^${day} (11|12):\\d\\d:00$`).test(chosen), `a click chooses the moment: ${chosen}`);
    // what cannot be had is said in a sentence, what can be is planned
    await page.fill("#to", "1999-01-01 00:00:00");
    await page.click("#moment button");
    assert((await page.innerText("main .note.bad")).includes("reichen nicht bis zu diesem Zeitpunkt zurück"), "a moment that is not to be had");
    await page.goto(`${base}/timeline`);
    await page.fill("#to", moment);
    await page.click("#moment button");
    const plan = await page.innerText("#plan");
    assert(plan.includes("Transaktionen") && plan.includes("gehen verloren"), `the plan says what is lost: ${plan}`);
    await page.click("#changes summary");
    assert((await page.innerText("#changes")).includes(changed), "and from which tables");
    assertEqual(await page.getAttribute("form[action='/restore'] input[name=to]", "value"), moment, "the moment goes along");
    assertEqual((await axe(page)).join("\n"), "", "the plan of a moment");
    // the word is asked for as on the restore page; a wrong one leads back to the plan
    const word = (await page.innerText("label[for=confirm]")).match(/«(.+)»/)[1];
    await page.fill("#confirm", "falsch");
    await send(page, "#plan button.danger");
    assert((await page.innerText("#plan")).includes("gehen verloren"), "the plan once more");
    await accepted(page, async () => {
        await page.goto(`${base}/restore?to=${encodeURIComponent(moment)}`);
        await page.fill("#confirm", word);
        await send(page, "#plan button.danger");
    });
    await restored(page);
    await page.goto(`${base}/timeline`);
    assert((await page.innerText("main table.stack")).includes("eine Rücksicherung"), "the restore stands in the table");
    quiet(made, "timeline");
});

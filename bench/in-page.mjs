// @ts-nocheck: these run in the page, whose globals the types of Node do not have.

/** Adds a function to the page: resolves when a frame has been painted in which one selector finds something and another nothing. */
export function watchPaint() {
  window.paintedWith = (selector, without) =>
    new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`there is no ${selector}, or there is ${without}`)), 60_000);
      const look = () => {
        const isThere = document.querySelector(selector) !== null;
        const isRead = without === undefined || document.querySelector(without) === null;
        if (!isThere || !isRead) requestAnimationFrame(look);
        else requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
      };
      look();
    });
}

/** The longest frame, in milliseconds, while the table is scrolled from its first row to its last and back. */
export async function longestScrollFrame() {
  const table = document.querySelector('[role="table"]');
  const frames = 240;
  let longest = 0;
  let last = performance.now();
  for (let i = 0; i < frames; i++) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    if (i > 2) longest = Math.max(longest, now - last);
    last = now;
    table.scrollTop = (table.scrollHeight - table.clientHeight) * Math.sin((Math.PI * i) / frames);
  }
  return longest;
}

/** Steps as the page shows them, with the time of the frame that did. */
export async function stepsShown(boundMs) {
  const shown = [];
  const end = performance.now() + boundMs;
  while (performance.now() < end && shown.length < 60) {
    await new Promise(requestAnimationFrame);
    const text = /step ([\d,]+)/.exec(document.querySelector('.figures')?.textContent ?? '')?.[1];
    const step = Number(text?.replaceAll(',', ''));
    if (step > 0 && shown.at(-1)?.[0] !== step) shown.push([step, Date.now()]);
  }
  return shown;
}

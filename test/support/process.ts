/** How long what a test waits for may take: machines are slow and busy. */
export const patienceMs = 50_000;

/** Resolves when a process is gone. */
export async function gone(pid: number): Promise<void> {
  for (const deadline = Date.now() + patienceMs; isAlive(pid);) {
    if (Date.now() > deadline) throw new Error(`process ${pid} does not end`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

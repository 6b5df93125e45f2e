// A GPU in software for this process: the Vulkan driver SwiftShader, as a Chromium brings it, and the loader beside it. Preloaded into
// other processes by `node --import`.
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findChromium } from '../../scripts/chromium.mjs';

/** Why there is none; undefined where there is. */
export const whyNoSwiftShader = await prepare();

async function prepare() {
  if (process.platform !== 'linux') return 'SwiftShader is looked for on Linux only';
  let chromium;
  try {
    chromium = await findChromium();
  } catch (error) {
    return String(error);
  }
  // Debian's /usr/bin/chromium is a script beside /usr/lib/chromium, Playwright's and Google's are the program itself.
  const folders = [dirname(realpathSync(chromium)), '/usr/lib/chromium', '/opt/google/chrome'];
  const folder = folders.find((path) => existsSync(join(path, 'vk_swiftshader_icd.json')));
  if (folder === undefined) return `no vk_swiftshader_icd.json beside ${chromium}`;
  const driver = join(folder, 'vk_swiftshader_icd.json');
  Object.assign(process.env, { VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver });
  try {
    // It is no addon, which is an error, but it stays loaded (flags: now, for all, never unloaded) and is found by its name.
    process.dlopen({ exports: {} }, join(folder, 'libvulkan.so.1'), 0x2 | 0x100 | 0x1000);
  } catch (error) {
    if (!String(error).includes('self-register')) return `its loader does not load (${String(error)})`;
  }
  return undefined;
}

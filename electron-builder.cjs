// Packages the window: `npx electron-builder --config electron-builder.cjs` after `npm run build`. What follows "electronFuses"
// is burnt into Electron's binary and cannot be switched back on a person's machine.
module.exports = {
  appId: 'org.sparrow.workbench',
  productName: 'Sparrow',
  directories: { output: 'out/packages' },
  files: ['out/{main,preload,renderer}/**', 'native/build/Release/*.node', 'package.json', 'LICENSE'],
  asar: true,
  asarUnpack: ['**/*.node'], // the system loads these, and it reads files only
  npmRebuild: false, // every addon is Node-API
  electronFuses: {
    // Texts are read and configurations tried out in plain Node processes, and some engines can live nowhere else: this
    // program is their Node. It is started so by ourselves, and takes neither options nor inspectors from the environment.
    runAsNode: true,
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    onlyLoadAppFromAsar: true,
    enableEmbeddedAsarIntegrityValidation: true,
    enableCookieEncryption: true,
    grantFileProtocolExtraPrivileges: false,
  },
  linux: { target: 'AppImage', category: 'Science' },
  mac: { target: 'dmg', category: 'public.app-category.education' },
  win: { target: 'nsis' },
};

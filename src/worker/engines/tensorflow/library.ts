import { createRequire } from 'node:module';
import { join } from 'node:path';
import { installedTensorflow, tensorflowFiles, tensorflowFolder } from '../../../system/installed-engines.js';
import * as tf from '../../tf.js';

/** The name under which tfjs knows the backend, and by which its kernels ask for it. */
export const backendName = 'tensorflow';

/** An attribute of one of TensorFlow's own operations. */
interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: boolean | number;
}

/** A tensor of TensorFlow's, by the number that the binding has given it. */
interface RawTensor {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}

/** tfjs's backend on TensorFlow's C API, as far as it is used here. */
export interface TensorflowBackend extends tf.KernelBackend {
  readonly binding: {
    readonly TF_ATTR_BOOL: number;
    readonly TF_ATTR_INT: number;
    readonly TF_ATTR_TYPE: number;
    readonly TF_Version: string;
    executeOp(
      name: string,
      attributes: readonly OpAttribute[],
      inputs: readonly number[],
      outputs: number,
    ): RawTensor[];
    createTensor(shape: readonly number[], dtype: number, values: Int32Array): number;
    deleteTensor(id: number): void;
  };
  readonly isUsingGpuDevice: boolean;
  createOutputTensor(made: RawTensor): tf.Tensor;
  getInputTensorIds(tensors: readonly tf.TensorInfo[]): number[];
}

let loaded: TensorflowBackend | undefined;

/** Loads what is installed and makes tfjs's backend of it, once. The environment of that time decides threads and devices. */
export function loadTensorflow(): TensorflowBackend {
  return (loaded ??= load());
}

function load(): TensorflowBackend {
  const require = createRequire(import.meta.url);
  // tfjs-node 4.22 calls what Node 23 has removed, and what it warns of (tfjs issue 8609).
  Object.assign(require('node:util') as object, {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: (value: unknown) => Array.isArray(value),
  });
  tf.enableProdMode(); // no advice on the console, and no word that the core is there already
  // Not the package's own entry, which asks for the binding where its install script would have put it.
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
  const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js') as {
    NodeJSKernelBackend: new (binding: unknown, packageName: string) => TensorflowBackend;
  };
  const binding: unknown = require(join(tensorflowFolder(), tensorflowFiles.binding));
  return new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu');
}

/** Why it cannot be used, and what to do about it; undefined where it can. */
export function whyNoTensorflow(): string | undefined {
  const installed = installedTensorflow();
  if (installed === undefined) {
    return 'TensorFlow is not installed: "sparrow engine install tensorflow" installs it, with --gpu for CUDA';
  }
  const package_ = packageVersion();
  if (package_ === undefined) return 'the optional package @tensorflow/tfjs-node-gpu is not there: run "npm install"';
  if (package_ === installed.tfjs) return undefined;
  return `its binding was built for tfjs-node-gpu ${installed.tfjs}, not ${package_}: run "sparrow engine install tensorflow"`;
}

function packageVersion(): string | undefined {
  try {
    const { version } = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/package.json') as { version: string };
    return version;
  } catch {
    return undefined;
  }
}

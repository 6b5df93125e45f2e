import type { Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';

/** Tensors by the names of an interface. */
type NamedTensors<Names> = { [Name in keyof Names]: tf.Tensor };

/**
 * What makes sparse recurrent training special is a small set of ops, one file each. An op is two kernels of TensorFlow.js,
 * `NAME` and `NAMEGradient`, and the registration that makes the second the gradient of the first. Both are written
 * out here in plain tfjs operations: that *composed* version is the definition, the oracle of the tests, and what runs on
 * every backend that brings no kernel of its own. (tf.customGrad would not do: it knows only one output.)
 */
export interface OpDefinition<Inputs extends NamedTensors<Inputs>, Attributes extends object> {
  readonly name: string;
  readonly inputs: readonly (keyof Inputs & string)[];
  /**
   * Parameters that are inputs beside these, by name, where their number is not fixed. They outlive the tape, and their
   * values are what the gradients are of.
   */
  parameters?(attributes: Attributes): Readonly<Record<string, Parameter>>;
  /** How many tensors `forward` returns. */
  readonly outputs: number;
  forward(inputs: Inputs, attributes: Attributes): tf.Tensor[];
  /**
   * Gradients of the inputs.
   * @param gradients of every output; zeros for one that the loss does not depend on
   */
  backward(
    gradients: readonly tf.Tensor[],
    inputs: Inputs,
    outputs: readonly tf.Tensor[],
    attributes: Attributes,
  ): { [Name in keyof Inputs]: tf.Tensor } & Record<string, tf.Tensor>;
}

/** Installs the composed version of one op for one backend. */
type Installer = (backendName: string) => void;
const installers: Installer[] = [];

/** Defines an op and returns the function that runs it, on the tape where there is one. */
export function defineOp<Inputs extends NamedTensors<Inputs>, Attributes extends object>(
  op: OpDefinition<Inputs, Attributes>,
): (inputs: Inputs, attributes: Attributes) => tf.Tensor[] {
  const gradientName = `${op.name}Gradient`;
  const gradientKey = (index: number) => `gradient${index}`;
  const outputKey = (index: number) => `output${index}`;
  const valuesOf = (attributes: Attributes): tf.NamedTensorMap =>
    Object.fromEntries(
      Object.entries(op.parameters?.(attributes) ?? {}).map(([name, parameter]) => [name, parameter.values]),
    );

  tf.registerGradient({
    kernelName: op.name,
    inputsToSave: [...op.inputs],
    outputsToSave: new Array<boolean>(op.outputs).fill(true),
    gradFunc: (dy, saved, attributes) => {
      const gradients = Array.isArray(dy) ? dy : [dy];
      const named = valuesOf(attributes as unknown as Attributes);
      const names = [...op.inputs, ...Object.keys(named)];
      op.inputs.forEach((name, i) => (named[name] = saved[i]));
      gradients.forEach((gradient, i) => {
        named[gradientKey(i)] = gradient;
        named[outputKey(i)] = saved[op.inputs.length + i];
      });
      const results = runKernel(gradientName, named, attributes);
      return Object.fromEntries(names.map((name, i) => [name, () => results[i]]));
    },
  });

  installers.push((backendName) => {
    install(op.name, backendName, (inputs, attributes) => op.forward(inputs as Inputs, attributes as Attributes));
    install(gradientName, backendName, (named, attributes) => {
      const list = (key: (index: number) => string) => Array.from({ length: op.outputs }, (_, i) => named[key(i)]);
      const gradients = op.backward(list(gradientKey), named as Inputs, list(outputKey), attributes as Attributes);
      const parameters = Object.keys(op.parameters?.(attributes as Attributes) ?? {});
      return [...op.inputs, ...parameters].map((name) => gradients[name]);
    });
  });
  return (inputs, attributes) => runKernel(op.name, { ...inputs, ...valuesOf(attributes) }, attributes);
}

/** Defines a kernel that is never differentiated, such as an optimiser's step. */
export function defineKernel<Inputs extends NamedTensors<Inputs>, Attributes extends object>(
  name: string,
  compute: (inputs: Inputs, attributes: Attributes) => tf.Tensor[],
): (inputs: Inputs, attributes: Attributes) => tf.Tensor[] {
  installers.push((backendName) => {
    install(name, backendName, (inputs, attributes) => compute(inputs as Inputs, attributes as Attributes));
  });
  return (inputs, attributes) => runKernel(name, inputs, attributes);
}

/** Gives a backend the composed version of every op for which it has no kernel of its own. */
export function installComposedOps(backendName: string): void {
  for (const installer of installers) installer(backendName);
}

/** Whether the present backend has a kernel of that name. */
export function hasKernel(name: string): boolean {
  return (tf.getKernel(name, tf.getBackend()) as tf.KernelConfig | undefined) !== undefined;
}

function install(
  kernelName: string,
  backendName: string,
  compose: (inputs: Record<string, tf.Tensor>, attributes: object) => tf.Tensor[],
): void {
  const own = tf.getKernel(kernelName, backendName) as tf.KernelConfig | undefined;
  if (own !== undefined) return;
  tf.registerKernel({
    kernelName,
    backendName,
    // The engine hands kernels the very tensors it was called with, so composed code can use them as such.
    kernelFunc: ({ inputs, attrs }) =>
      tf.tidy(() => compose(inputs as unknown as Record<string, tf.Tensor>, attrs as unknown as object)),
  });
}

/** Runs a kernel of the present backend, and puts it on the tape where it has a gradient. */
export function runKernel(name: string, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor[] {
  // tfjs types attributes as plain data; it passes them on untouched, and ours name parameters.
  const result = tf.engine().runKernel(name, inputs, attributes as unknown as tf.NamedAttrMap);
  return Array.isArray(result) ? result : [result];
}

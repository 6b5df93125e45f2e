/**
 * A kernel in WGSL. The language wants a declaration of every buffer and number; here they are named with their types, and the source
 * is what is done by one thread of a workgroup.
 */
export interface Kernel<Read extends string = string, Write extends string = string, Param extends string = string> {
  readonly name: string;
  /** Element type of each buffer that is only read. */
  readonly read: Readonly<Record<Read, ElementType>>;
  /** Of each that is written, and may be read. */
  readonly write: Readonly<Record<Write, ElementType>>;
  readonly params: Readonly<Record<Param, 'u32' | 'f32'>>;
  /** Threads of a workgroup, at most. */
  readonly threads: number;
  /** Declarations outside the function. */
  readonly outside?: string;
  /** Knows `group`, the number of the workgroup, `local`, that of the thread in it, and `threads`, how many that has. */
  readonly body: string;
}

type ElementType = 'f32' | 'i32' | 'u32' | 'vec4f';

export function defineKernel<Read extends string, Write extends string, Param extends string>(
  kernel: Kernel<Read, Write, Param>,
): Kernel<Read, Write, Param> {
  return kernel;
}

/** Workgroups are counted in two dimensions, of which a device allows so many each. */
export const mostGroups = 65_535;

/** The names of a kernel's buffers, in the order of their bindings. */
export function buffersOf({ read, write }: Kernel): string[] {
  return [...Object.keys(read), ...Object.keys(write)];
}

/** How many threads, a power of two, a sum of so many numbers is worth: idle ones cost as much as others. */
export function threadsFor(count: number, most: number): number {
  return Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(1, count))));
}

/** The source of a kernel as WebGPU takes it; the numbers are the last binding. */
export function sourceOf(kernel: Kernel, threads: number): string {
  const { read, write, params, outside = '', body } = kernel;
  const declare = (access: string, first: number) =>
    function declaration([name, type]: [string, string], i: number): string {
      return `@group(0) @binding(${first + i}) var<storage, ${access}> ${name}: array<${type}>;`;
    };
  const reads = Object.entries(read);
  const writes = Object.entries(write);
  return `
    const threads = ${threads}u;
    struct Params { groups: u32, ${Object.entries(params)
      .map(([name, type]) => `${name}: ${type}`)
      .join(', ')} }
    ${reads.map(declare('read', 0)).join('\n')}
    ${writes.map(declare('read_write', reads.length)).join('\n')}
    @group(0) @binding(${reads.length + writes.length}) var<uniform> params: Params;
    ${outside}
    @compute @workgroup_size(${threads})
    fn main(
      @builtin(workgroup_id) id: vec3u,
      @builtin(num_workgroups) count: vec3u,
      @builtin(local_invocation_index) local: u32,
    ) {
      let group = id.x + id.y * count.x;
      if (group >= params.groups) { return; }
      ${body}
    }`;
}

export function layoutOf({ read, write }: Kernel): GPUBindGroupLayoutEntry[] {
  const [reads, writes] = [Object.keys(read).length, Object.keys(write).length];
  return Array.from({ length: reads + writes + 1 }, (_, binding) => ({
    binding,
    visibility: GPUShaderStage.COMPUTE,
    buffer: {
      type: binding < reads ? 'read-only-storage' : binding < reads + writes ? 'storage' : 'uniform',
    },
  }));
}

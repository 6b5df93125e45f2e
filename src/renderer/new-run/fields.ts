import { z } from 'zod';
import { runConfigSchema } from '../../shared/run-config';

/** A field of a configuration, as the form shows it: all of it comes from the schema. */
export interface Field {
  /** method.density */
  readonly path: string;
  /** method */
  readonly group: string;
  readonly name: string;
  readonly sentence: string;
  readonly kind: 'integer' | 'number' | 'boolean' | 'choice' | 'text';
  readonly choices: readonly string[];
  /** 0 to 1 */
  readonly range: string;
}

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** Every field of a configuration, in the order of the schema. */
export const fields: readonly Field[] = fieldsOf(z.toJSONSchema(runConfigSchema, { io: 'input' }) as JsonSchema, []);

/** Fields by their group, `run` for those that are in none. */
export const groups: readonly (readonly [string, readonly Field[]])[] = [...Map.groupBy(fields, ({ group }) => group)];

function fieldsOf(schema: JsonSchema, path: readonly string[]): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const here = [...path, name];
    if (inner.properties !== undefined) return fieldsOf(inner, here);
    return [
      {
        path: here.join('.'),
        group: path.join('.') || 'run',
        name,
        sentence: inner.description ?? '',
        kind: kindOf(inner),
        choices: inner.enum ?? [],
        range: rangeOf(inner),
      },
    ];
  });
}

function kindOf({ type, enum: choices }: JsonSchema): Field['kind'] {
  if (choices !== undefined) return 'choice';
  if (type === 'integer' || type === 'number' || type === 'boolean') return type;
  return 'text';
}

/** JSON's own bounds of whole numbers are none. */
function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const low = minimum ?? (exclusiveMinimum === undefined ? undefined : `above ${exclusiveMinimum}`);
  const high = maximum ?? (exclusiveMaximum === undefined ? undefined : `below ${exclusiveMaximum}`);
  if (low === undefined || high === undefined) return '';
  return `${low} to ${high}`;
}

import { darkVariants } from '../../shared/run-colours';

/** A run's stored colour as it is shown: on dark ground, the lighter variant of the same hue. */
export function shownColour(colour: string, dark: boolean): string {
  return dark ? (darkVariants[colour] ?? colour) : colour;
}

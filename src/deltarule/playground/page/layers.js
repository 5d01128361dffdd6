// @ts-check
// The hidden layers as they are being changed: each click counts at once, also before the answer to the one before it.

export class HiddenLayers {
  /** @param {Record<string, any>} values of the settings */
  constructor(values) {
    /** @type {number[]} */
    this.units = [...values["network.layers"]];
    /** @type {any[]} */
    this.activations = [...values["network.activation"]];
  }

  /** Add units to a layer, or remove some; a layer without units is removed. @param {number} layer from 0 @param {number} more */
  addUnits(layer, more) {
    this.units[layer] += more;
    if (this.units[layer] > 0) return;
    this.units.splice(layer, 1);
    this.activations.splice(layer, 1);
  }

  /** Insert a layer with the units and the activation of its neighbor. @param {number} layer its index, from 0 */
  insert(layer) {
    const neighbor = Math.max(layer - 1, 0);
    this.units.splice(layer, 0, this.units[neighbor] ?? 4);
    this.activations.splice(layer, 0, this.activations[neighbor] ?? { name: "tanh" });
  }

  /** The settings that describe these layers. */
  settings() {
    return {
      "network.layers": ["auto", ...this.units, "auto"],
      "network.activation": this.activations.length ? this.activations : "tanh",
      ...(this.units.length ? {} : { "network.dropout": 0 }),
    };
  }
}

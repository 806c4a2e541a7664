'use strict';

const fs = require('node:fs');
const path = require('node:path');
const yaml = require('js-yaml');

/** Reads each recipe of a directory. */
function load(directory) {
  const recipes = new Map();
  for (const file of fs.readdirSync(directory).sort()) {
    if (!file.endsWith('.yml')) continue;
    const recipe = yaml.load(fs.readFileSync(path.join(directory, file), 'utf8'));
    recipes.set(path.basename(file, '.yml'), recipe);
  }
  return recipes;
}

/** Those that need nothing but what is at hand. */
function possible(recipes, atHand) {
  const have = new Set(atHand.map((name) => name.trim().toLowerCase()));
  return [...recipes].filter(([, recipe]) => recipe.ingredients.every((one) => have.has(one.name))).map(([name]) => name);
}

/** Amounts for so many people, written as a language writes them. */
function scaled(recipe, people, language) {
  const format = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  return recipe.ingredients.map((one) => ({
    name: one.name,
    amount: `${format.format((one.amount * people) / recipe.serves)} ${one.unit}`.trim(),
  }));
}

module.exports = { load, possible, scaled };

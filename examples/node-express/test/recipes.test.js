'use strict';

const test = require('node:test');
const assert = require('node:assert');
const { possible } = require('../lib/recipes');

test('a recipe is possible if everything is at hand', () => {
  const recipes = new Map([['toast', { ingredients: [{ name: 'bread' }] }]]);
  assert.deepStrictEqual(possible(recipes, ['Bread ']), ['toast']);
  assert.deepStrictEqual(possible(recipes, []), []);
});

'use strict';

const defaults = require('./default.json');

let special = {};
try {
  special = require(`./${process.env.NODE_ENV || 'development'}.json`);
} catch (error) {
  if (error.code !== 'MODULE_NOT_FOUND') throw error;
}

module.exports = { ...defaults, ...special, port: Number(process.env.PORT || special.port || defaults.port) };

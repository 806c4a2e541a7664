'use strict';

const path = require('node:path');
const express = require('express');
const config = require('./config');
const recipes = require('./lib/recipes');
const routes = require('./routes');

const app = express();
app.set('views', path.join(__dirname, 'views'));
app.set('view engine', 'ejs');
app.disable('x-powered-by');
app.use(express.json({ limit: '100kb' }));
app.use(express.urlencoded({ extended: false }));
app.use(express.static(path.join(__dirname, 'public')));
app.locals.title = config.title;
app.locals.recipes = recipes.load(path.join(__dirname, 'recipes'));
app.use(routes);

app.use((request, response) => {
  response.status(404).render('error', { status: 404, message: `There is no ${request.path}` });
});
app.use((error, request, response, _next) => {
  const status = error.status || 500;
  if (status >= 500) console.error(error.message);
  response.status(status).render('error', { status, message: error.message });
});

const server = app.listen(config.port, () => console.log(`recipes on port ${config.port}`));
process.on('SIGTERM', () => {
  console.log('closing');
  server.close(() => process.exit(0));
});

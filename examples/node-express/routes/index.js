'use strict';

const { Router } = require('express');
const { possible, scaled } = require('../lib/recipes');

const router = Router();

router.get('/', (request, response) => {
  response.render('index', { recipes: request.app.locals.recipes });
});

router.get('/health', (request, response) => {
  response.json({ status: 'ok', recipes: request.app.locals.recipes.size });
});

router.get('/recipes/:name', (request, response, next) => {
  const recipe = request.app.locals.recipes.get(request.params.name);
  if (!recipe) return next();
  const people = Number(request.query.people || recipe.serves);
  const language = request.acceptsLanguages()[0].replace('*', 'en') || 'en';
  response.render('recipe', { recipe, people, ingredients: scaled(recipe, people, language) });
});

router.post('/possible', (request, response) => {
  const have = request.body.have;
  if (!Array.isArray(have) && typeof have !== 'string') {
    return response.status(422).json({ error: 'say what you have' });
  }
  response.json(possible(request.app.locals.recipes, Array.isArray(have) ? have : have.split(',')));
});

module.exports = router;

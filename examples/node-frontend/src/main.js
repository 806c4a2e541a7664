import './style.css';
import wave from './wave.svg';
import { height } from './tide.js';

const clock = document.getElementById('clock');
clock.innerHTML = `<img src="${wave}" alt=""><p></p><small>${__RELEASE__}</small>`;

async function start() {
  const harbour = new URLSearchParams(location.search).get('harbour') || 'north';
  const constants = await (await fetch(`/harbours/${harbour}.json`)).json();
  const show = () => {
    clock.querySelector('p').textContent = `${height(constants, Date.now()).toFixed(2)} m`;
  };
  show();
  setInterval(show, 1000);
}

start();

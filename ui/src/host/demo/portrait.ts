// People who are not there: drawn, so that a demonstration needs no camera.

/** What somebody looks like. */
export interface Look {
  wall: [string, string, string];
  skin: string;
  shade: string;
  hair: string;
  cloth: string;
  long: boolean;
}

/** The cast. */
export const looks = {
  anna: { wall: ['#c9d3cf', '#8fa39c', '#4d625d'], skin: '#f2c9ad', shade: '#cf9a7d', hair: '#9a5a2f', cloth: '#d8d0c6', long: true },
  ben: { wall: ['#5b5260', '#3b3440', '#221d27'], skin: '#e2ae88', shade: '#b27a57', hair: '#2c201c', cloth: '#31495a', long: false },
  kwame: { wall: ['#d7b48d', '#a8764f', '#5c3a28'], skin: '#8c5a3c', shade: '#5e3824', hair: '#1b1311', cloth: '#cfc6b6', long: false },
  leila: { wall: ['#b9c4d6', '#8290aa', '#49546d'], skin: '#dba681', shade: '#ad7551', hair: '#56756b', cloth: '#253130', long: true },
  sam: { wall: ['#e3c7b8', '#b98d7c', '#6b4a44'], skin: '#eab992', shade: '#be8461', hair: '#65462e', cloth: '#42593f', long: false },
  yuki: { wall: ['#2d3350', '#23263f', '#14152a'], skin: '#efc7a8', shade: '#c4906f', hair: '#1d171b', cloth: '#a28fb4', long: true },
} satisfies Record<string, Look>;

/** Somebody of the cast. */
export type Who = keyof typeof looks;

/** Draws somebody on a canvas of 1280 by 720 units, at a time in seconds. */
export function draw(on: OffscreenCanvasRenderingContext2D, look: Look, time: number): void {
  on.setTransform(on.canvas.width / 1280, 0, 0, on.canvas.height / 720, 0, 0);
  wall(on, look, time);
  on.translate(640 + Math.sin(time * 0.9) * 14, 720 + Math.sin(time * 1.7) * 5);
  on.rotate(Math.sin(time * 0.6) * 0.02);
  if (look.long) ellipse(on, look.hair, 0, -370, 170, 250);
  body(on, look);
  head(on, look, time);
}

function wall(on: OffscreenCanvasRenderingContext2D, look: Look, time: number): void {
  const gradient = on.createLinearGradient(0, 0, 1280, 720);
  look.wall.forEach((colour, i) => gradient.addColorStop(i / 2, colour));
  on.fillStyle = gradient;
  on.fillRect(0, 0, 1280, 720);
  const light = on.createRadialGradient(1060, 180, 10, 1060, 180, 220 + Math.sin(time) * 12);
  light.addColorStop(0, 'rgb(255 240 214 / 0.5)');
  light.addColorStop(1, 'rgb(255 240 214 / 0)');
  on.fillStyle = light;
  on.fillRect(0, 0, 1280, 720);
}

function body(on: OffscreenCanvasRenderingContext2D, look: Look): void {
  on.fillStyle = look.cloth;
  on.beginPath();
  on.moveTo(-400, 30);
  on.bezierCurveTo(-390, -140, -240, -190, -90, -225);
  on.bezierCurveTo(-40, -190, 40, -190, 90, -225);
  on.bezierCurveTo(240, -190, 390, -140, 400, 30);
  on.fill();
  on.fillStyle = look.shade;
  on.beginPath();
  on.roundRect(-52, -310, 104, 105, 44);
  on.fill();
}

function head(on: OffscreenCanvasRenderingContext2D, look: Look, time: number): void {
  ellipse(on, look.skin, 0, -405, 104, 150);
  on.fillStyle = look.hair;
  on.beginPath();
  on.moveTo(-112, -400);
  on.bezierCurveTo(-136, -650, 136, -650, 112, -400);
  on.bezierCurveTo(96, -470, 60, -500, 10, -512);
  on.bezierCurveTo(-50, -504, -100, -470, -112, -400);
  on.fill();
  const open = time % 4.2 < 0.14 ? 1 : 8;
  ellipse(on, '#2b1d1f', -42, -408, 8, open);
  ellipse(on, '#2b1d1f', 42, -408, 8, open);
  on.strokeStyle = look.shade;
  on.lineWidth = 6;
  on.lineCap = 'round';
  on.beginPath();
  on.arc(0, -372, 10, 0.2, Math.PI * 0.7);
  on.stroke();
  ellipse(on, '#9b4a44', 0, -322, 30, 4 + 9 * Math.abs(Math.sin(time * 5) * Math.sin(time * 0.7)));
}

function ellipse(on: OffscreenCanvasRenderingContext2D, fill: string, x: number, y: number, rx: number, ry: number): void {
  on.fillStyle = fill;
  on.beginPath();
  on.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
  on.fill();
}

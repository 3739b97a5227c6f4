// What the page uses of Apache ECharts, and no more: `npm run vendor` bundles it into vendor/echarts.min.js.
import * as echarts from "echarts/core";
import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

echarts.use([BarChart, CustomChart, LineChart, GridComponent, TooltipComponent, CanvasRenderer]);
globalThis.echarts = echarts;

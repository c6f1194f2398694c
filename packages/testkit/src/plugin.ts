export { cacheLayerContract, type CacheLayerContractOptions } from './cache-layer-contract.ts'
export { pluginContract, type PluginContractOptions } from './plugin-contract.ts'
export { strategyContract, type StrategyContractOptions } from './strategy-contract.ts'

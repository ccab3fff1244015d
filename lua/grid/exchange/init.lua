-- Makes exchanges: the requests and answers of a service, for a keeper that sends them.
-- Owns: their public names.
-- Does not know: any service.

local lazy = require "grid.lazy"

local grid_exchange = lazy "grid.exchange.grid"
local oauth2 = lazy "grid.exchange.oauth2"

return {
  grid = function(options) return grid_exchange.new(options) end,
  oauth2 = function(options) return oauth2.new(options) end,
}

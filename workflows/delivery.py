from activities.delivery import hand_on as hand_on  # moved: import from activities.delivery
